//! The demo tells the same at every run, and its commands for next time are real.

use crate::program::Folder;

#[test]
fn the_demo_tells_the_same_on_any_number_of_threads() {
    let folder = Folder::new();
    let run = |threads: &str| {
        let done = folder.command("demo").env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let one = run("1");
    assert_eq!(one, run("2"));
    for expected in ["Before Midnight", "Because of ", "predilect serve", "grpcurl", "export"] {
        assert!(one.contains(expected), "{expected}\n{one}");
    }
    folder.check("verify --store predilect-demo", 0);
    let mut commands = one.lines().filter_map(|line| line.strip_prefix("  predilect export "));
    folder.check(&format!("export {}", commands.next().unwrap()), 0);
    folder.put("mine", "x");
    folder.refuses("demo --store mine", 1, "was not made by a demo");
}
