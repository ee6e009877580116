//! What the parser itself promises.

use clap::CommandFactory;

use super::*;

#[test]
fn the_commands_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_ends_with_an_example() {
    fn check(command: &clap::Command) {
        let subcommands: Vec<_> = command.get_subcommands().collect();
        if subcommands.is_empty() && command.get_name() != "help" {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("predilect "), "{} has no example", command.get_name());
        }
        subcommands.into_iter().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn keys_are_read() {
    let name = |text| parse_key(text).map(|key| key.to_string());
    assert_eq!(name("entity:Brand:Sony"), Ok("entity `brand:sony`".to_owned()));
    assert_eq!(name("item:wh-1000xm5"), Ok("item `wh-1000xm5`".to_owned()));
    assert!(name("wh-1000xm5").unwrap_err().contains("give KIND:ID"));
    assert!(name("shop:x").unwrap_err().contains("known: user, item"));
    assert!(name("item:").unwrap_err().contains("missing"));
}
