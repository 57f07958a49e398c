//! The behaviour of the queue port: one suite, written against the trait, that every backend must
//! pass.
//!
//! A behaviour is an async function with the rule as its name. Each opens a store of its own, so
//! all run in parallel. The list at the end makes a test of each function for every backend; a
//! function that is missing from it causes a warning.
#![allow(clippy::wildcard_enum_match_arm, reason = "any other answer fails the test")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod accept;
mod backend;
mod chaos;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod dead_letters;
mod dedup;
mod erasure;
mod feed;
mod group_gaps;
mod group_members;
mod group_registry;
mod group_removal;
mod group_replay;
mod groups;
mod lease;
mod life;
mod older_versions;
mod output;
mod registry;
mod replies;
mod returning;
mod sampling;
mod seek;
mod settings;
mod strikes;
mod support;
mod work;

macro_rules! behaviours {
    ($($area:ident { $($rule:ident,)* })*) => {
        mod memory {
            $(mod $area {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    crate::$area::$rule(crate::backend::Backend::Memory).await;
                })*
            })*
        }
        mod redis {
            $(mod $area {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    crate::$area::$rule(crate::backend::Backend::Redis).await;
                })*
            })*
        }
    };
}

behaviours! {
    registry {
        registering_with_other_settings_is_refused,
        registering_again_with_equal_settings_returns_what_is_stored,
        a_stream_registered_by_its_first_frame_has_no_settings_of_its_own,
        of_many_concurrent_registrations_one_succeeds,
        an_etag_is_valid_for_one_registration,
        streams_are_listed_by_id_across_partitions_in_pages,
        streams_are_read_in_the_requested_order,
        an_update_replaces_only_the_revision_that_was_read,
        unregistering_checks_a_given_etag,
        an_unregistered_stream_accepts_no_frames_and_publishes_none,
        similar_ids_share_no_data,
        a_stream_registered_again_continues_its_sequences,
        the_number_of_streams_is_limited,
    }
    settings {
        unset_settings_stay_unset_and_follow_the_default,
        a_group_keeps_its_settings_as_given,
    }
    returning {
        a_returning_stream_keeps_every_frame_while_retention_runs,
        a_bound_of_older_settings_removes_nothing,
        no_read_finds_data_of_the_earlier_registration,
        dead_letters_of_the_earlier_registration_are_removed,
        any_number_of_its_dead_letters_is_counted_and_hidden_at_once,
        a_list_skips_its_hidden_dead_letters_in_bounded_steps,
        the_old_output_is_removed_in_steps_by_any_holder,
        frames_that_waited_at_the_removal_are_counted,
        few_removed_streams_are_remembered_and_no_sequence_is_issued_twice,
        settings_are_bounded_in_bytes,
        publishers_are_bounded_in_each_partition,
        little_remains_of_each_stream_although_the_queue_is_never_empty,
    }
    accept {
        sequences_have_no_holes_and_follow_call_order,
        accepted_frames_are_taken_unchanged,
        accept_returns_the_receive_time_of_the_published_frame,
        receive_times_never_go_back,
        a_frame_for_an_unknown_stream_affects_no_other_frame,
        a_full_stream_refuses_until_work_is_finished,
        a_stream_can_be_full_in_bytes,
        a_full_partition_refuses_until_work_is_finished,
        a_stream_leaves_room_in_its_partition_for_others,
        a_full_store_refuses_new_frames_and_nothing_else,
        after_a_retryable_refusal_only_that_stream_waits,
        after_a_final_refusal_the_stream_continues,
        a_stream_remembers_a_limited_number_of_publishers,
        would_refuse_predicts_refusals_and_changes_nothing,
    }
    dedup {
        the_same_publisher_sequence_with_the_same_bytes_is_a_duplicate,
        a_duplicate_is_recognised_after_its_frame_is_finished,
        a_batch_can_contain_its_own_duplicate,
        the_same_publisher_sequence_with_other_bytes_is_refused,
        a_skipped_publisher_sequence_is_out_of_order,
        the_dedup_window_has_exactly_its_length,
        a_jump_of_publisher_sequences_forgets_old_ones,
        a_thousand_concurrent_accepts_store_one_frame,
    }
    replies {
        a_repeated_accept_stores_no_frame_with_a_publisher_twice,
        a_repeated_accept_stores_no_frame_without_a_publisher_twice,
        an_accept_that_was_interrupted_is_completed,
        bytes_of_an_earlier_call_are_used,
        a_frame_without_its_bytes_is_refused_with_those_after_it,
        a_repeated_finish_keeps_its_pictures,
        a_second_result_of_a_published_frame_is_dropped,
        a_picture_that_is_missing_at_finish_is_uploaded_again,
    }
    lease {
        a_partition_has_one_holder,
        a_holder_that_asks_again_gets_a_new_lease,
        of_many_concurrent_attempts_one_gets_the_lease,
        a_lease_ends_with_its_term_unless_renewed,
        a_holders_report_is_returned_while_it_has_the_lease,
        forgetting_a_worker_ends_its_leases_and_no_others,
        a_worker_that_falls_silent_is_not_counted,
        a_worker_with_an_old_fence_changes_nothing,
        a_successor_gets_all_unfinished_frames_in_order,
    }
    work {
        taking_continues_after_a_position,
        listed_frames_are_taken_in_any_order_of_streams,
        a_frame_is_published_only_after_those_before_it,
        a_frame_that_was_never_accepted_is_not_published,
        a_published_frame_has_the_workers_result,
        a_failed_frame_leaves_a_tombstone_in_its_place,
        a_source_that_a_picture_refers_to_is_kept,
        waiting_for_work_ends_when_work_arrives,
        no_wake_up_is_lost,
    }
    control {
        a_paused_queue_accepts_frames_and_gives_workers_none,
        pausing_one_queue_does_not_affect_the_others,
        a_draining_queue_refuses_new_frames_and_gives_workers_the_rest,
        a_dry_purge_marks_nothing,
        a_purge_marks_what_the_dry_run_reported,
        a_purge_leaves_tombstones_in_order_and_spares_later_frames,
        a_purge_can_select_a_stream_and_a_time,
        a_paused_queue_can_be_purged,
        a_purge_mark_waits_for_a_worker_and_survives_its_crash,
        a_purge_skips_frames_that_were_taken_out_of_order,
        frames_of_a_crashed_worker_wait_again,
        a_dropping_stream_exceeds_its_policy_up_to_a_bound,
        the_accounts_add_up,
        the_holder_and_the_live_workers_are_reported,
        a_purge_during_work_marks_exactly_what_it_reports,
    }
    erasure {
        erased_frames_become_tombstones_and_lose_all_pictures,
        frames_of_the_range_that_are_in_work_are_not_published,
        failed_frames_are_erased_with_their_dead_letters,
        a_successor_continues_an_erasure,
        retention_removes_erased_frames_and_those_yet_to_be_erased,
        the_newest_frame_is_one_that_is_not_erased,
        erasures_of_unknown_streams_and_too_many_ranges_are_refused,
        waiting_frames_are_found_by_time,
        dead_letters_are_erased_in_bounded_steps,
        the_newest_frame_is_found_below_any_number_of_erased_ones,
    }
    feed {
        the_feed_has_all_events_in_order,
        an_event_carries_the_whole_entry,
        a_reader_learns_that_it_missed_events,
        waiting_for_an_event_ends_with_it,
    }
    output {
        pages_begin_at_the_requested_sequence,
        a_page_before_the_oldest_entry_begins_at_it,
        entries_can_be_read_newest_first,
        the_newest_frame_is_found_before_any_number_of_tombstones,
        payloads_are_fetched_in_the_requested_order,
        a_trim_removes_entries_before_a_sequence,
        a_trim_removes_tombstones_too,
        a_trim_removes_a_bounded_number_at_a_time,
        the_backend_reports_its_status,
    }
    sampling {
        a_group_and_a_subscription_choose_the_same_frames,
    }
    groups {
        each_frame_goes_to_one_member,
        a_frame_is_redelivered_after_its_deadline,
        a_seek_makes_old_deliveries_stale,
        outstanding_frames_are_bounded,
        a_stream_stays_with_a_live_member,
        rejected_frames_wait_and_are_finally_given_up,
        the_last_member_of_a_frame_can_give_it_up,
        a_given_up_frame_becomes_one_dead_letter_with_a_picture_of_its_own,
        lag_is_exact_after_trimming,
        groups_are_created_changed_listed_and_deleted,
        skipped_entries_count_as_acknowledged,
        the_state_of_sampling_is_stored_with_the_position,
        all_servers_share_one_key_for_ack_ids,
    }
    group_registry {
        an_etag_is_valid_for_one_group_until_its_next_change_or_seek,
        creating_a_group_again_with_equal_settings_returns_what_is_stored,
        of_many_concurrent_creations_one_creates_the_group,
    }
    group_members {
        frames_of_an_absent_member_are_redelivered_at_their_deadlines,
        a_leaving_member_returns_unsent_frames_without_an_attempt,
        a_returning_member_keeps_its_frames_and_attempts,
        a_group_has_at_most_a_thousand_members,
        a_second_call_of_a_member_takes_over_its_membership,
        a_rejection_and_an_extension_apply_after_the_call_has_ended,
        a_rejection_and_an_extension_apply_after_the_deadline_while_no_member_has_the_frame,
        a_member_is_given_no_more_than_it_handles_while_another_has_room,
    }
    group_gaps {
        a_gap_is_sent_again_until_a_client_has_it,
        an_ack_proves_that_earlier_gaps_were_received,
        lost_frames_and_removed_streams_are_reported,
        unsent_gaps_are_bounded_and_none_is_lost,
    }
    group_removal {
        a_group_continues_after_the_removed_frames,
        positions_wait_while_too_many_gaps_are_unsent,
        a_frame_of_a_removed_stream_becomes_no_dead_letter,
    }
    group_replay {
        a_replayed_frame_is_delivered_to_its_group_once,
        a_frame_without_an_output_entry_comes_from_its_dead_letter,
        a_replay_that_cannot_reach_its_group_changes_nothing,
        a_late_operation_does_not_affect_a_replayed_frame,
        a_group_that_has_yet_to_reach_the_frame_gets_it_once,
        a_dry_replay_to_a_group_delivers_nothing,
    }
    dead_letters {
        a_failed_frame_becomes_a_dead_letter_with_its_picture,
        only_failed_frames_become_dead_letters,
        a_withheld_picture_is_not_kept,
        dead_letters_are_listed_in_pages_in_both_orders,
        a_filter_selects_dead_letters,
        a_replay_is_a_new_frame_and_happens_once,
        failed_replays_leave_the_state_of_their_stream,
        successful_replays_leave_the_state_of_their_stream,
        an_impossible_replay_changes_nothing,
        a_dry_replay_predicts_the_results_and_changes_nothing,
        a_discarded_dead_letter_is_removed_with_its_picture,
        the_bytes_of_dead_letters_are_bounded,
    }
    strikes {
        a_successor_isolates_the_frames_that_were_in_work,
        frames_taken_out_of_order_are_isolated,
        an_expired_lease_was_not_released_cleanly,
        a_crash_is_a_strike_for_the_isolated_frame,
        other_ends_of_a_worker_are_no_strike,
    }
    seek {
        the_time_up_to_which_retention_removed_frames_is_known,
        frames_over_their_budget_are_counted,
        the_first_entry_since_a_time_is_found,
        the_entries_before_a_sequence_are_read_newest_first,
        failures_in_a_row_are_counted,
        a_stall_timeout_is_kept,
    }
    life {
        a_store_has_an_identity_of_its_own,
        an_issued_sequence_causes_no_jump,
        a_server_joins_renews_its_place_and_leaves,
    }
    chaos {
        every_frame_is_published_once_in_order,
    }
}
