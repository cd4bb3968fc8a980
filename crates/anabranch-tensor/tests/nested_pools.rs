//! Executors used from threads of other pools, as in a server. A bug makes these tests hang, not
//! fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use anabranch_tensor::gemm::{NoEpilogue, gemm, gemm_scratch_len};
use anabranch_tensor::{Accum, Executor, matrix, matrix_mut};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

/// The bits of a product that is split between threads.
fn product(exec: &Executor) -> Vec<u32> {
    let (m, n, k) = (200, 120, 150);
    let operand = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<f32>>();
    let (a, b) = (operand(m * k), operand(k * n));
    let (a, b) = (matrix(&a, m, k), matrix(&b, k, n));
    let mut c = vec![f32::NAN; m * n];
    let mut scratch = vec![0.0; gemm_scratch_len::<f32>(exec, m, n, k)];
    gemm(exec, a, b, Accum::Replace, matrix_mut(&mut c, m, n), &mut scratch, &NoEpilogue);
    c.into_iter().map(f32::to_bits).collect()
}

#[test]
fn tasks_of_another_pool_share_an_executor() {
    let exec = Executor::new(2).unwrap();
    let expected = product(&Executor::serial());
    for threads in [1, 2, 4] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (0..64).into_par_iter().for_each(|i| {
                let got = if i % 2 == 0 { product(&exec) } else { exec.enter(|| product(&exec)) };
                assert!(got == expected);
            });
        });
    }
}

#[test]
fn an_entered_executor_may_wait_for_another_pool() {
    let exec = Executor::new(2).unwrap();
    let expected = product(&Executor::serial());
    exec.enter(|| {
        // Tasks that wait for this very closure's executor, on threads that it does not know.
        (0..16).into_par_iter().for_each(|_| assert!(product(&exec) == expected));
        assert!(rayon::broadcast(|_| product(&exec)).iter().all(|got| *got == expected));
        std::thread::scope(|scope| {
            scope.spawn(|| exec.run(100, |_| ()));
        });
        assert!(product(&exec) == expected);
    });
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.install(|| exec.enter(|| rayon::broadcast(|_| product(&exec))));
}

#[test]
fn tasks_of_one_executor_may_use_another() {
    let [outer, inner] = [2, 3].map(|threads| Executor::new(threads).unwrap());
    let expected = product(&Executor::serial());
    let n_right = AtomicUsize::new(0);
    outer.run(20, |_| {
        let right = product(&inner) == expected && inner.enter(|| product(&outer)) == expected;
        n_right.fetch_add(usize::from(right), Ordering::Relaxed);
    });
    assert_eq!(n_right.into_inner(), 20);
}

#[test]
fn panics_and_drops_while_others_are_busy() {
    let exec = Executor::new(2).unwrap();
    let expected = product(&Executor::serial());
    (0..64).into_par_iter().for_each(|i| match i % 4 {
        0 => assert!(product(&exec) == expected),
        // An executor dropped in a thread of another pool, or in a task of another executor.
        1 => assert!(product(&Executor::new(3).unwrap()) == expected),
        2 => exec.run(2, |_| drop(Executor::new(2).unwrap())),
        _ => {
            let failing = std::panic::AssertUnwindSafe(|| {
                exec.enter(|| exec.run(8, |task| assert_ne!(task, 5)));
            });
            assert!(std::panic::catch_unwind(failing).is_err());
        }
    });
    assert!(product(&exec) == expected);
}
