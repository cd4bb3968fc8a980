//! Names of kinds: what flags and files call them.

/// Lets a kind be printed and parsed by its `name`, given `ALL` of its values and `OptimError`.
macro_rules! named {
    ($Kind:ident, $what:literal) => {
        impl std::fmt::Display for $Kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $Kind {
            type Err = OptimError;

            fn from_str(name: &str) -> Result<Self, OptimError> {
                Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                    let known = Self::ALL.map(|kind| kind.name()).join(", ");
                    OptimError::Name { what: $what, name: name.to_owned(), known }
                })
            }
        }
    };
}

pub(crate) use named;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::{OptimizerKind, ScheduleKind};

    fn check<K>(all: &[K])
    where
        K: Display + Debug + FromStr + PartialEq + Serialize + DeserializeOwned,
    {
        for kind in all {
            assert_eq!(kind.to_string().parse().ok().as_ref(), Some(kind));
            let text = serde_json::to_string(kind).unwrap();
            assert!(text.trim_start_matches('{').starts_with(&format!("\"{kind}\"")), "{text}");
            assert_eq!(serde_json::from_str::<K>(&text).unwrap(), *kind);
        }
    }

    #[test]
    fn kinds_are_parsed_and_read_by_the_names_they_print() {
        check(&OptimizerKind::ALL);
        check(&ScheduleKind::ALL);
    }
}
