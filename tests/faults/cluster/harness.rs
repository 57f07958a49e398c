//! The clusters of the tests do what the tests ask of them.

use crate::common::cluster::{Cluster, Shape};

#[test]
fn a_slot_moves_with_its_keys_and_a_replica_becomes_the_master() {
    let mut cluster = Cluster::start(&Shape::of(3, 1));
    let tags: Vec<String> = (0..32).map(|number| format!("p{number:02}")).collect();
    let of_shard = |shard: usize| {
        let mut slots = tags.iter().map(|tag| (tag, cluster.slot(tag)));
        slots.find(|(_, slot)| cluster.shard_of(*slot) == shard).expect("a partition of each shard")
    };
    let ((tag, slot), (other, _)) = (of_shard(0), of_shard(1));
    let keys: Vec<String> = (0..50).map(|number| format!("frameway:{{{tag}}}:key-{number}")).collect();
    for key in &keys {
        assert_eq!(cluster.nodes[0].cli(&["SET", key, "x"]), "OK");
    }
    let key = format!("frameway:{{{other}}}:key");
    assert_eq!(cluster.nodes[1].cli(&["SET", &key, "x"]), "OK");

    cluster.move_slot(slot, 2);
    assert_eq!((cluster.owner(slot), cluster.shard_of(slot)), (Some(2), 0));
    assert_eq!(
        cluster.nodes[2]
            .cli(&[&["EXISTS"][..], &keys.iter().map(String::as_str).collect::<Vec<_>>()].concat()),
        "50"
    );
    assert!(cluster.nodes[0].cli(&["GET", &keys[0]]).starts_with("MOVED "), "it has left");

    assert_eq!(cluster.replicas(1), [4]);
    assert_eq!(cluster.fail_over(1), 4);
    cluster.wait_for_replicas(4, 1);
    assert_eq!((cluster.master(1), cluster.replicas(4)), (4, vec![1]));
    assert_eq!(cluster.nodes[4].cli(&["GET", &key]), "x");

    cluster.kill(4);
    assert_eq!(cluster.wait_for_another_than(4, 1), 1);
    cluster.restart(4);
    cluster.wait_for_replicas(1, 1);
    assert_eq!(cluster.nodes[1].cli(&["GET", &key]), "x");

    cluster.lose(1);
    assert_eq!(cluster.nodes[1].cli(&["GET", &key]), "");
    assert_eq!(cluster.nodes[2].cli(&["GET", &keys[0]]), "x", "the others keep their data");
}
