//! Training the networks of a run, and the model of them.

use anabranch::data::Prepared;
use anabranch::graph::{Fusion, River};
use anabranch::tensor::Executor;
use anabranch::train::{
    Calibration, LinearModels, Member, Model, TemperatureTrial, TrainConfig, Trainer, Validation,
    for_each_member, member_seed,
};

use crate::failure::Failure;
use crate::run_setup::{Blending, Setup};

/// The trained networks of a run.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) model: Model,
    /// How each member was trained.
    pub(crate) members: Vec<Training>,
    /// For each task, what a temperature of its probabilities is worth; none for numbers.
    pub(crate) temperatures: Vec<Option<TemperatureTrial>>,
}

/// How a member was trained.
#[derive(Debug)]
pub(crate) struct Training {
    pub(crate) seed: u64,
    pub(crate) epochs: usize,
    /// The epoch whose weights predict each task.
    pub(crate) best_epochs: Vec<Option<usize>>,
}

impl Fitted {
    /// Trains all members of a run; `run` trains one, by its number. What it returns of each comes
    /// back too.
    pub(crate) fn of<R: Send>(
        setup: &Setup,
        exec: &Executor,
        run: impl Fn(usize, &mut Trainer<'_, f32>) -> Result<R, Failure> + Sync,
    ) -> Result<(Self, Vec<R>), Failure> {
        Self::with(setup, &setup.river, &setup.config, exec, run)
    }

    /// [`of`](Self::of) a network with other weights of its losses, trained by other settings.
    pub(crate) fn with<R: Send>(
        setup: &Setup,
        river: &River,
        config: &TrainConfig,
        exec: &Executor,
        run: impl Fn(usize, &mut Trainer<'_, f32>) -> Result<R, Failure> + Sync,
    ) -> Result<(Self, Vec<R>), Failure> {
        let Setup { prepared, n_members, validate, .. } = setup;
        let Prepared { dataset, encoder, targets, .. } = prepared;
        let train = |member: usize, exec: &Executor| -> Result<_, Failure> {
            let seed = member_seed(config.seed, member);
            let config = TrainConfig { seed, ..config.clone() };
            let graph = river.build(Fusion::Fused)?;
            let mut trainer = Trainer::new(dataset, graph, &config, exec)?;
            if let Some(split) = validate.split(&dataset.split, member) {
                trainer = trainer.with_split(split)?;
            }
            let ran = run(member, &mut trainer).map_err(|failure| match n_members {
                1 => failure,
                _ => failure.within(format!("member {member}")),
            })?;
            let best_epochs =
                (0..targets.tasks().len()).map(|task| trainer.best_epoch(task)).collect();
            let training = Training { seed, epochs: trainer.epochs_run(), best_epochs };
            Ok((trainer.member(), (training, ran)))
        };
        let trained = for_each_member(exec, *n_members, train)?;
        let (members, trained): (Vec<Member<f32>>, Vec<_>) = trained.into_iter().unzip();
        let (trainings, ran) = trained.into_iter().unzip();
        let model = Model::new(river.clone(), members, encoder.clone(), targets.clone())?;
        Ok((Self { model, members: trainings, temperatures: Vec::new() }, ran))
    }

    /// With what the validation rows, if there are any, tell: how much linear models should count
    /// beside the networks, and how sure the model may be.
    pub(crate) fn validated(self, setup: &Setup, linear: &LinearModels) -> Result<Self, Failure> {
        let dataset = &setup.prepared.dataset;
        if dataset.split.validation.is_empty() {
            return Ok(self);
        }
        let mut validation = Validation::new(&self.model, dataset, setup.validate)?;
        let blend = match setup.blending {
            Blending::Linear => validation.blend(&self.model, linear)?,
            Blending::None => None,
        };
        let model = self.model.with_blend(blend)?;
        let judged = validation.judged(&model);
        let (calibration, temperatures) = Calibration::fit(&judged);
        let model = model.with_calibration(calibration.stating(setup.coverage))?;
        Ok(Self { model, temperatures, ..self })
    }

    /// Epochs of all members together.
    pub(crate) fn epochs(&self) -> usize {
        self.members.iter().map(|member| member.epochs).sum()
    }

    /// The epoch whose weights predict a task; of an ensemble, the median of its members'.
    pub(crate) fn best_epoch(&self, task: usize) -> Option<usize> {
        let epochs = self.members.iter().map(|member| member.best_epochs[task]);
        let mut epochs: Vec<usize> = epochs.collect::<Option<_>>()?;
        epochs.sort_unstable();
        epochs.get((epochs.len() - 1) / 2).copied()
    }
}
