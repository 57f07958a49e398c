//! `proto/frameway_v1_service_config.json`, which gives gRPC clients their timeouts and retries,
//! against the services.

use std::collections::BTreeMap;

use prost_types::method_options::IdempotencyLevel;
use serde_json::Value;

use crate::contract;

const CONFIG: &str = include_str!("../../proto/frameway_v1_service_config.json");

#[test]
fn the_service_config_has_each_method_once_with_retries_and_a_timeout_where_the_contract_allows_them() {
    let config: Value = serde_json::from_str(CONFIG).expect("JSON");
    let mut entries: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for entry in config["methodConfig"].as_array().expect("a list") {
        for name in entry["name"].as_array().expect("a list") {
            let part = |key| name[key].as_str().unwrap_or_default();
            entries.entry(format!("{}/{}", part("service"), part("method"))).or_default().push(entry);
        }
    }
    let mut faults = Vec::new();
    let pool = contract();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        let options = method.method_descriptor_proto().options.clone().unwrap_or_default();
        let is_repeatable = options.idempotency_level() != IdempotencyLevel::IdempotencyUnknown;
        let lasts = method.is_client_streaming() || method.is_server_streaming();
        let [entry] = entries.remove(&name).unwrap_or_default()[..] else {
            faults.push(format!("{name}: it must be in the file once"));
            continue;
        };
        if entry.get("retryPolicy").is_some() != is_repeatable {
            faults.push(format!(
                "{name}: it must have a retryPolicy if, and only if, it has an idempotency_level"
            ));
        }
        if entry.get("timeout").is_some() == lasts {
            faults.push(format!(
                "{name}: it must have a timeout if, and only if, it has one request and one answer"
            ));
        }
    }
    faults.extend(entries.keys().map(|name| format!("{name}: no such method")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
