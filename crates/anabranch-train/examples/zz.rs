use anabranch_graph::*;
use anabranch_layers::*;
use anabranch_optim::*;
use anabranch_tensor::*;
use std::time::Instant;
fn main() {
    let threads: usize = std::env::args().nth(1).map_or(1, |s| s.parse().unwrap());
    let exec = Executor::new(threads).unwrap();
    // peak
    let mut peak = 0f64;
    for _ in 0..20 {
        let t = Instant::now();
        let it = 100_000;
        std::hint::black_box(fma_peak_loop::<f32>(it));
        peak = peak.max(fma_peak_flops::<f32>() as f64 * it as f64 / t.elapsed().as_secs_f64());
    }
    println!("P {:.1} GF/s", peak / 1e9);
    let only = std::env::args().nth(2);
    for (name, (m, i, h, o, c), reps) in [
        ("tiny", (32, 16, 32, 16, 4), 20000),
        ("small", (128, 64, 128, 64, 10), 1000),
        ("medium", (256, 256, 512, 256, 100), 60),
        ("large", (1024usize, 1024, 2048, 1024, 1000), 3),
    ] {
        if only.as_ref().is_some_and(|o| o != name) {
            continue;
        }
        let reps = reps * std::env::args().nth(3).map_or(1, |s| s.parse::<usize>().unwrap());
        let g = TwoBranch::new(i, h, o, o, c).build::<f32>(Fusion::Fused).unwrap();
        let (mut p, mut s) = g.init(1);
        let mut gr = vec![0f32; p.len()];
        let mut ws = Workspace::new(&g, &exec, m, Mode::Training).unwrap();
        let x: Vec<f32> = (0..m * i).map(|v| ((v * 37 % 101) as f32) / 50.0 - 1.0).collect();
        let ya: Vec<f32> = (0..m * o).map(|v| ((v * 31 % 97) as f32) / 50.0 - 1.0).collect();
        let yb: Vec<u32> = (0..m).map(|v| (v % c) as u32).collect();
        let mut opt = Optimizer::new(
            OptimizerKind::MOMENTUM,
            1e-3,
            p.len(),
            &[ParamGroup::new(0..p.len(), 0.0)],
        )
        .unwrap();
        let flops = 2.0 * m as f64 * (3.0 * (h * o + o * c) as f64 + 2.0 * (i * h + i * o) as f64);
        exec.enter(|| {
            let mut t4 = [0f64; 5];
            let mut all = vec![];
            let trg = [Target::Values(matrix(&ya, m, o)), Target::Classes(&yb)];
            for step in 0..reps + 3 {
                let t0 = Instant::now();
                g.forward(
                    &exec,
                    &p,
                    &mut s,
                    &mut ws,
                    matrix(&x, m, i),
                    Masks::Drawn { seed: 1, step: step as u64 },
                );
                let t1 = Instant::now();
                g.losses(&exec, &mut ws, &trg);
                let t2 = Instant::now();
                g.backward(&exec, &p, &mut gr, &mut ws, matrix(&x, m, i));
                let t3 = Instant::now();
                opt.step(&exec, &mut p, &gr, Scales::default());
                let t5 = Instant::now();
                if step >= 3 {
                    for (a, (b, c)) in t4.iter_mut().zip([(t0, t1), (t1, t2), (t2, t3), (t3, t5)]) {
                        *a += (c - b).as_secs_f64();
                    }
                    all.push((t5 - t0).as_secs_f64());
                }
            }
            all.sort_by(f64::total_cmp);
            let med = all[all.len() / 2];
            println!(
                "{name}: median {:.2} min {:.2} us  {:.1} GF/s {:.2}P  parts us {:?}",
                med * 1e6,
                all[0] * 1e6,
                flops / med / 1e9,
                flops / med / peak,
                t4.map(|v| (v / reps as f64 * 1e8).round() / 100.0)
            );
        });
    }
}
