//! `acos`: a review and its quadruples, parted by tabs: `2,4 FOOD#QUALITY 2 7,8`.
//!
//! A quadruple is aspect, category, sentiment (0 negative, 1 neutral, 2 positive) and opinion;
//! spans are of tokens, half open, and `-1,-1` is implicit. What is implicit stands nowhere in the
//! text: it is counted and left out, and with it the relation; so is the odd span of no tokens. The
//! category has no span either.

use super::aste::{ASPECT, OPINION};
use super::joined::Joined;
use super::{Converted, Dropped, Fault, Labelled, Problem, each_line};

const EXPECTED: &str = "TOKENS, then by tab: START,END CATEGORY 0|1|2 START,END";

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_line(text, labelled)
}

fn labelled(row: &str, dropped: &mut Dropped) -> Result<Labelled, Problem> {
    let broken = || Problem::Parts { expected: EXPECTED };
    let mut columns = row.split('\t');
    let mut joined = Joined::new(columns.next().unwrap_or_default().split_whitespace(), " ");
    for quadruple in columns.filter(|column| !column.trim().is_empty()) {
        let [aspect, _category, sentiment, opinion] =
            quadruple.split_whitespace().collect::<Vec<_>>().try_into().map_err(|_| broken())?;
        let relation = match sentiment {
            "0" => "negative",
            "1" => "neutral",
            "2" => "positive",
            _ => return Err(broken()),
        };
        let mut entity = |span: &str, entity_type, implicit| -> Result<_, Problem> {
            if span == "-1,-1" {
                dropped.count(implicit);
                return Ok(None);
            }
            let (start, end) = span.split_once(',').ok_or_else(broken)?;
            let number = |digits: &str| digits.parse::<usize>().map_err(|_| broken());
            let tokens = number(start)?..number(end)?;
            if tokens.is_empty() {
                dropped.count("span of no tokens");
                return Ok(None);
            }
            joined.add_entity(tokens, entity_type).map(Some)
        };
        let aspect = entity(aspect, ASPECT, "implicit aspect")?;
        let opinion = entity(opinion, OPINION, "implicit opinion")?;
        match (aspect, opinion) {
            (Some(aspect), Some(opinion)) => {
                if !joined.labelled.add_relation(aspect, opinion, relation) {
                    dropped.count("relation given twice");
                }
            }
            _ => dropped.count("relation with an end that stands nowhere"),
        }
    }
    Ok(joined.labelled)
}
