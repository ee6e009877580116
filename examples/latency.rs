//! How long a server takes to answer: one request at a time, from one client, over gRPC.
//!
//! ```text
//! predilect serve --store graph --listen 127.0.0.1:7433
//! cargo run --release --example latency -- 127.0.0.1:7433 50000 2000
//! ```
//!
//! The arguments are the server, the number of users that `predilect generate` made, and the number
//! of requests. Users are asked for in a fixed, scattered order, each at most once. One JSON line a
//! call: milliseconds at the median, at the 99th percentile and at most.

use std::time::Instant;

use predilect::engine::Moment;
use predilect::recommend::RecommendParams;
use predilect::rpc::Client;
use predilect::schema::NodeKind;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("give SERVER USERS REQUESTS");
    let client = Client::connect(&next()?)?;
    let users: usize = next()?.parse()?;
    let requests: usize = next()?.parse()?;
    // A step that shares no factor with most numbers scatters the users over the ids.
    let asked: Vec<String> =
        (0..requests.min(users)).map(|n| format!("u{:07}", n * 7919 % users)).collect();
    let moment = Moment::default();
    measure("GetInterests", &asked, |user| {
        client.interests(user, &moment, &[], 10).map(|answer| answer.len())
    });
    for method in ["popular", "item_item", "ppr", "blend"] {
        let params =
            RecommendParams { method: method.to_owned(), kinds: vec![NodeKind::Item], k: 10 };
        measure(&format!("Recommend {method}"), &asked, |user| {
            client.recommend(user, &moment, &params).map(|answer| answer.len())
        });
    }
    Ok(())
}

/// Asks once for each user and prints the spread.
fn measure<E: std::error::Error + 'static>(
    call: &str,
    users: &[String],
    ask: impl Fn(&str) -> Result<usize, E>,
) {
    let mut times = Vec::new();
    let mut answers = 0;
    for user in users {
        let asked = Instant::now();
        // Some of the made-up users never did anything: they are no node, and no measurement.
        let Ok(found) = ask(user) else { continue };
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        answers += found;
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    let report = serde_json::json!({
        "call": call,
        "requests": times.len(),
        "answers": answers,
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "max_ms": times.last(),
    });
    #[expect(clippy::print_stdout, reason = "the report is what the example is for")]
    {
        println!("{report}");
    }
}
