//! What operations cost, in units of what they cannot do without. Timing is for a quiet machine and optimised code:
//! `cargo test --release -p concilium-gka-cliques --test cost -- --ignored --nocapture --test-threads 1`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures time and prints what it measured"
)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::{Context, Secret};
use concilium_gka::{GroupKeyAgreement as _, Progress};
use concilium_gka_cliques::Cliques;
use concilium_testkit::gka::{Group, Reaction, name, names};
use concilium_testkit::rng;
use curve25519_dalek::{RistrettoPoint, Scalar};

/// The median time of a run.
fn time(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..201)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[100]
}

/// One variable-base multiplication, one strict verification, one signature, one key from its seed, one public key
/// from its bytes.
fn units() -> [Duration; 5] {
    let scalar = Scalar::from_bytes_mod_order([0x5a; 32]);
    let point = RistrettoPoint::mul_base(&Scalar::from_bytes_mod_order([0x3c; 32]));
    let key = SigningKey::from_seed(&Secret::new([7; 32]));
    let digest = [9; 64];
    let signature = key.sign(&digest);
    [
        time(|| {
            black_box(black_box(point) * black_box(scalar));
        }),
        time(|| {
            black_box(key.verifying_key().verify(black_box(&digest), &signature)).unwrap();
        }),
        time(|| {
            black_box(key.sign(black_box(&digest)));
        }),
        time(|| {
            black_box(SigningKey::from_seed(black_box(&Secret::new([7; 32]))));
        }),
        time(|| {
            black_box(VerifyingKey::from_bytes(black_box(
                key.verifying_key().as_bytes(),
            )))
            .unwrap();
        }),
    ]
}

fn receive_refresh(n: usize) -> f64 {
    let mut group: Group<Cliques> = Group::established(n, 1, Cliques::new);
    let packet = group.propose(&name(0), &names(0..n)).unwrap();
    let echo = group.echo(&name(0), packet);
    let member = &group.people[&name(n / 2)];
    let mut random = rng::seeded(1);
    let measured = time(|| {
        let opened = member.gka.open(group.session(), &echo.from, &echo.bytes).unwrap();
        let mut cx = Context::new(group.now, &mut random);
        let started = member
            .gka
            .accept(member.state.as_ref(), None, echo.id, opened, &mut cx)
            .unwrap();
        assert!(matches!(started.progress, Progress::Finished(_)));
    });
    let [multiply, verify, ..] = units();
    let ratio = measured.as_secs_f64() / (multiply + verify).as_secs_f64();
    println!("receive refresh, n = {n}: {measured:?} = {ratio:.2} x ({multiply:?} + {verify:?})");
    ratio
}

/// Processor time of this thread, where the system tells; it lags by a few milliseconds.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Time for all members and packets together, again and again until it can be told precisely.
fn establish(n: usize) -> f64 {
    let mut spent = Duration::ZERO;
    let mut times = 0;
    while spent < Duration::from_secs(1) {
        let mut group: Group<Cliques> = Group::new(n, 1, Cliques::new);
        let (wall, processor) = (Instant::now(), processor_time());
        let reactions = group.run_watched(&name(0), &names(0..n), |_, _| {});
        let processor = processor_time().zip(processor).map(|(now, then)| now - then);
        spent += processor.unwrap_or_else(|| wall.elapsed());
        times += 1;
        assert!(reactions.values().all(|reaction| *reaction == Reaction::Finished));
    }
    let [multiply, verify, sign, generate, read] = units();
    // The k-th member multiplies k - 1 slots and the cardinal value; all but the last then their own slot.
    let multiplications = n * (n + 1) / 2 + n - 1;
    let packets = 2 * n - 1;
    let needed = multiply.as_secs_f64() * multiplications as f64
        + verify.as_secs_f64() * (packets * n) as f64
        + sign.as_secs_f64() * packets as f64
        + generate.as_secs_f64() * n as f64;
    // Everyone must read everyone's new signing key, which takes a square root (C-7, K-11).
    let with_keys = needed + read.as_secs_f64() * (n * n) as f64;
    let measured = spent.as_secs_f64() / f64::from(times);
    let (bare, ratio) = (measured / needed, measured / with_keys);
    println!("establish, n = {n}: {measured:.4} s = {ratio:.2} x {with_keys:.4} s ({times} times)");
    println!("  without reading signing keys: {bare:.2} x {needed:.4} s");
    ratio
}

#[test]
#[ignore = "measures time"]
fn c3_receiving_a_refresh_is_cheap() {
    let ratios = [32, 128].map(receive_refresh);
    assert!(ratios[0] <= 1.6 && ratios[1] <= 3.0, "{ratios:?}");
}

#[test]
#[ignore = "measures time"]
fn c1_establishing_costs_little_more_than_its_multiplications() {
    let ratios = [8, 32, 128].map(establish);
    assert!(ratios.iter().all(|ratio| *ratio <= 1.3), "{ratios:?}");
}
