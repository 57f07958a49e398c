//! Properties of all filters.

use proptest::prelude::*;

use super::super::reflect::path::Part;
use super::super::reflect::sample;
use super::expression::{Expression, Operator, Value};
use super::parse::parse;
use super::*;
use crate::domain::limits::MAX_FILTER_BYTES;

fn name() -> impl Strategy<Value = String> {
    "[a-z_][a-z0-9_-]{0,6}"
}

fn part() -> impl Strategy<Value = Part> {
    let plain = name().prop_map(|name| Part { name, at: 0, quoted: false });
    let quoted = "\\PC{0,5}".prop_map(|name| Part { name, at: 0, quoted: true });
    prop_oneof![plain, quoted]
}

fn field() -> impl Strategy<Value = Vec<Part>> {
    (name(), proptest::collection::vec(part(), 0..3)).prop_map(|(first, mut rest)| {
        rest.insert(0, Part { name: first, at: 0, quoted: false });
        rest
    })
}

fn value() -> impl Strategy<Value = Value> {
    let text = proptest::collection::vec("\\PC{0,4}", 1..4).prop_map(Value::Text);
    prop_oneof![text, "[a-zA-Z0-9_.+-]{1,8}".prop_map(Value::Bare)]
}

fn expression() -> impl Strategy<Value = Expression> {
    let operator = (0..Operator::ALL.len()).prop_map(|index| Operator::ALL[index].1);
    let compare = (field(), operator, value()).prop_map(|(field, operator, value)| Expression::Compare {
        field,
        operator,
        value,
        operator_at: 0,
        value_at: 0,
    });
    let leaf = prop_oneof![
        compare,
        field().prop_map(Expression::IsSet),
        (field(), part()).prop_map(|(field, key)| Expression::HasKey(field, key)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::Any),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_expression_is_parsed_to_the_same(expression in expression()) {
        let text = expression.to_string();
        if text.len() <= MAX_FILTER_BYTES {
            let again = parse(&text).unwrap_or_else(|flaw| panic!("{text}: {flaw:?}"));
            prop_assert_eq!(again.map(|again| again.to_string()), Some(text));
        }
    }

    #[test]
    fn no_text_panics_and_positions_of_faults_are_within_it(
        text in "([a-z_]{0,9}|labels|status\\.frames|camera_id|[ .:=!<>()\"*\\\\-]|AND|OR|NOT|[0-9]{1,3}s?|ü| ){0,20}"
    ) {
        match Filter::compile(&text, &sample::message("Camera"), Fields { only: &[], except: &[] }) {
            Ok(filter) => { filter.passes_dynamic(&sample::new("Camera")); }
            Err(fault) => {
                let position: usize = fault.facts[0].1.parse().unwrap();
                prop_assert!((1..=text.chars().count() + 1).contains(&position), "{text}: {}", fault.message);
            }
        }
    }
}
