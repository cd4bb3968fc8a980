//! Names of kinds: what flags and files call them.

/// Lets a kind be printed and parsed by its `name`, given `ALL` of its values: `named!(Kind,
/// "kind", Error)` for an `Error` with a variant `Name { what, name, known }`.
///
/// ```
/// use anabranch_tensor::named;
///
/// #[derive(Debug, PartialEq)]
/// enum Season {
///     Summer,
///     Winter,
/// }
///
/// #[derive(Debug, PartialEq)]
/// enum Error {
///     Name { what: &'static str, name: String, known: String },
/// }
///
/// impl Season {
///     const ALL: [Self; 2] = [Self::Summer, Self::Winter];
///
///     fn name(&self) -> &'static str {
///         match self {
///             Self::Summer => "summer",
///             Self::Winter => "winter",
///         }
///     }
/// }
///
/// named!(Season, "season", Error);
///
/// assert_eq!("winter".parse(), Ok(Season::Winter));
/// assert_eq!(Season::Summer.to_string(), "summer");
/// let Error::Name { known, .. } = "spring".parse::<Season>().unwrap_err();
/// assert_eq!(known, "summer, winter");
/// ```
#[macro_export]
macro_rules! named {
    ($Kind:ident, $what:literal, $Error:ident) => {
        impl std::fmt::Display for $Kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $Kind {
            type Err = $Error;

            fn from_str(name: &str) -> Result<Self, $Error> {
                Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
                    let known = Self::ALL.map(|kind| kind.name()).join(", ");
                    $Error::Name { what: $what, name: name.to_owned(), known }
                })
            }
        }
    };
}
