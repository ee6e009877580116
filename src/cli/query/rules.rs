//! `predilect query rules`: what follows from what in everybody's baskets.

use std::io::Write;

use clap::ValueEnum;

use super::super::write_json;
use super::Asked;
use crate::engine::Baskets;
use crate::recommend::{BasketRule, BasketRuleParams};

/// What a basket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Basket {
    /// All that a user cares for.
    #[default]
    User,
    /// What a user acted for in one sitting.
    Session,
}

/// Association rules: who has this has that, too
#[derive(clap::Args)]
#[command(after_help = "\
The order is that of the lift with the lower end of the confidence's interval at 95 %, so that what few
baskets say stands behind what many say.

Example:
  predilect query rules --store graph --min-support 0.05 --min-confidence 0.3 --min-lift 1.5
  predilect query rules --store graph --baskets session --gap-minutes 30 --output json")]
pub(super) struct Rules {
    #[command(flatten)]
    asked: Asked,
    /// What a basket is
    #[arg(long, value_enum, default_value_t, value_name = "BASKET")]
    baskets: Basket,
    /// The longest time between two events of one session
    #[arg(long, default_value_t = 30, value_name = "MINUTES",
          value_parser = clap::value_parser!(u32).range(1..=525_600))]
    gap_minutes: u32,
    /// The least share of all baskets that hold all of a rule
    #[arg(long, default_value_t = BasketRuleParams::default().min_support, value_name = "SHARE")]
    min_support: f64,
    /// The least share of those who have the one that have the other
    #[arg(long, default_value_t = BasketRuleParams::default().min_confidence, value_name = "SHARE")]
    min_confidence: f64,
    /// How many times as likely as for anybody, at least
    #[arg(long, default_value_t = BasketRuleParams::default().min_lift, value_name = "X")]
    min_lift: f64,
    /// The most items of a rule
    #[arg(long, default_value_t = BasketRuleParams::default().max_items, value_name = "N")]
    max_items: usize,
    /// At most so many
    #[arg(long, default_value_t = BasketRuleParams::default().k, value_name = "N")]
    k: usize,
}

impl Rules {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let baskets = match self.baskets {
            Basket::User => Baskets::Users,
            Basket::Session => Baskets::Sittings { gap_ms: i64::from(self.gap_minutes) * 60_000 },
        };
        let params = BasketRuleParams {
            min_support: self.min_support,
            min_confidence: self.min_confidence,
            min_lift: self.min_lift,
            max_items: self.max_items,
            k: self.k,
        };
        let found = self.asked.source()?.rules(baskets, self.asked.as_of, &params)?;
        if self.asked.json() {
            return write_json(out, &found);
        }
        writeln!(out, "{} rules of {} baskets", found.found, found.baskets)?;
        for rule in &found.rules {
            let BasketRule { antecedent, consequent, count, of, lift, .. } = rule;
            let held: Vec<&str> = antecedent.iter().map(|node| node.label.as_str()).collect();
            writeln!(
                out,
                "  {} -> {}: {count} of {of} ({:.0} %), {lift:.1} times as likely as anybody",
                held.join(" and "),
                consequent.label,
                100.0 * rule.confidence,
            )?;
        }
        Ok(())
    }
}
