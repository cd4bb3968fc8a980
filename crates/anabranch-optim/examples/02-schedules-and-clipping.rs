//! Gradients that are sometimes enormous: clipping tames them, and a schedule lets the run settle.
//!
//! `cargo run -p anabranch-optim --example 02-schedules-and-clipping`

use anabranch_optim::{
    ClipNorm, OptimError, Optimizer, OptimizerKind, ParamGroup, Progress, Scales, Schedule,
    ScheduleKind, global_norm,
};
use anabranch_tensor::Executor;

const EPOCHS: u64 = 20;
const STEPS_PER_EPOCH: u64 = 10;

fn main() -> Result<(), OptimError> {
    let exec = Executor::serial();
    let clip = ClipNorm::new(1.0)?;

    // 1. Every schedule has a name and gives a factor of the learning rate, by step or by epoch.
    for kind in ScheduleKind::ALL {
        let mut schedule = Schedule::new(kind, EPOCHS * STEPS_PER_EPOCH)?;
        let mut optimizer =
            Optimizer::new(OptimizerKind::SGD, 0.5, 2, &[ParamGroup::new(0..2, 0.0)])?;
        let mut params = [5.0_f64, -5.0];
        let mut largest_step: f64 = 0.0;

        let mut step = 0;
        for epoch in 0..EPOCHS {
            for _ in 0..STEPS_PER_EPOCH {
                // 2. The gradient of ½‖params‖², multiplied by a thousand in every seventh step.
                let size = if step % 7 == 0 { 1000.0 } else { 1.0 };
                let grads = params.map(|p| size * p);

                // 3. Clipping is a factor that the step applies; it takes no pass of its own over
                //    the gradients.
                let scales = Scales {
                    lr: schedule.factor(Progress { step, epoch }),
                    grads: clip.scale(global_norm(&exec, &grads)),
                };
                let before = params;
                optimizer.step(&exec, &mut params, &grads, scales);
                let moved = (params[0] - before[0]).hypot(params[1] - before[1]);
                largest_step = largest_step.max(moved);
                step += 1;
            }
            // 4. A plateau looks at the loss; the other schedules ignore it.
            schedule.observe(0.5 * (params[0] * params[0] + params[1] * params[1]));
        }

        println!("{:>12}: {params:.4?}, largest step {largest_step:.3}", kind.name());
        // No step is longer than the learning rate times the clipping norm.
        assert!(largest_step <= 0.5 * 1.0 + 1e-12);
        let distance = params[0].hypot(params[1]);
        match kind {
            // At the full rate, the enormous gradients keep throwing the parameters around.
            ScheduleKind::Constant => assert!(distance < 1.0),
            _ => assert!(distance < 0.5, "{kind}: {params:?}"),
        }
    }
    Ok(())
}
