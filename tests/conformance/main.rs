//! What every backend of the queue port does: one suite, written against the trait, run on each.
//!
//! A behaviour is an async function whose name is the rule. It opens a store of its own, so all run in parallel. The
//! list at the end makes a test of each for every backend; one that is missing there does not compile without warning.
#![allow(clippy::wildcard_enum_match_arm, reason = "any other answer fails the test")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accept;
mod backend;
mod chaos;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod dead_letters;
mod dedup;
mod feed;
mod group_gaps;
mod group_members;
mod group_registry;
mod group_removal;
mod group_replay;
mod groups;
mod lease;
mod life;
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
        registering_again_with_equal_settings_answers_what_is_stored,
        a_stream_that_its_first_frame_registered_has_said_nothing,
        of_many_that_register_at_once_one_does,
        an_etag_is_of_one_registration,
        listing_goes_by_id_across_partitions_in_pages,
        reading_answers_in_the_order_asked,
        an_update_replaces_what_was_read_and_nothing_newer,
        unregistering_asks_for_the_etag_where_one_is_given,
        an_unregistered_stream_takes_no_frames_and_publishes_none,
        ids_that_are_alike_share_nothing,
        a_stream_that_returns_goes_on_counting,
        streams_are_limited_in_number,
    }
    settings {
        what_is_unset_stays_unset_and_its_default_holds,
        a_group_keeps_what_was_said_of_it,
    }
    returning {
        it_keeps_every_frame_while_retention_runs,
        a_bound_of_older_settings_removes_nothing,
        what_it_had_is_found_under_no_read,
        its_dead_letters_are_gone,
        its_dead_letters_are_counted_and_unreadable_at_once_however_many,
        a_list_passes_over_its_dead_letters_in_bounded_pieces,
        its_old_output_is_removed_piece_by_piece_by_any_holder,
        what_waited_when_it_went_is_counted,
        few_removed_streams_are_remembered_and_no_number_comes_twice,
        settings_are_bounded_in_bytes,
        publishers_are_bounded_in_each_partition,
        little_is_left_of_each_where_the_queue_never_empties,
    }
    accept {
        numbers_run_without_holes_in_call_order,
        what_was_accepted_is_what_is_taken,
        an_accept_answers_the_time_that_the_frame_is_published_with,
        received_times_never_go_back,
        a_frame_for_an_unknown_stream_harms_no_neighbour,
        a_full_stream_refuses_until_work_is_finished,
        a_stream_is_full_in_bytes_too,
        a_full_partition_refuses_until_work_is_finished,
        a_full_store_refuses_new_frames_and_nothing_else,
        behind_a_passing_refusal_a_stream_waits_and_its_neighbours_do_not,
        behind_a_lasting_refusal_a_stream_goes_on,
        a_stream_remembers_only_so_many_publishers,
        asking_first_answers_the_same_and_changes_nothing,
    }
    dedup {
        the_same_number_with_the_same_bytes_is_a_duplicate,
        a_duplicate_is_known_after_its_frame_is_finished,
        a_batch_can_hold_its_own_duplicate,
        the_same_number_with_other_bytes_is_refused,
        a_number_that_was_passed_over_is_out_of_order,
        the_window_ends_at_exactly_its_length,
        a_leap_leaves_old_numbers_behind,
        a_thousand_at_once_store_one,
    }
    replies {
        an_accept_run_again_stores_no_marked_frame_twice,
        an_accept_run_again_stores_no_unmarked_frame_twice,
        an_accept_that_was_cut_off_in_the_middle_is_completed,
        a_payload_that_was_offered_before_is_entered,
        an_offer_on_a_taken_key_keeps_the_old_bytes,
        a_write_that_comes_late_leaves_nothing,
        a_payload_that_expired_is_gone,
        a_finish_run_again_keeps_its_pictures,
        a_second_result_of_a_published_frame_is_dropped,
        a_picture_that_expired_before_finish_is_offered_anew,
    }
    lease {
        a_partition_has_one_holder,
        a_holder_that_asks_again_gets_a_new_lease,
        of_many_that_try_one_becomes_the_holder,
        a_lease_ends_with_its_term_unless_renewed,
        the_holders_report_is_told_while_it_holds,
        forgetting_a_worker_ends_its_leases_and_no_others,
        a_worker_that_falls_silent_is_not_counted,
        a_zombie_changes_nothing,
        a_successor_gets_all_that_is_unfinished_in_order,
    }
    work {
        taking_goes_on_behind_a_position,
        a_frame_is_published_only_after_those_before_it,
        a_frame_that_was_never_accepted_is_not_published,
        a_published_frame_is_what_the_worker_made_of_it,
        a_failed_frame_leaves_a_tombstone_in_its_place,
        a_source_that_a_picture_refers_to_stays,
        waiting_for_work_ends_when_some_comes,
        no_wake_up_is_lost,
    }
    control {
        a_paused_queue_takes_frames_and_gives_none,
        pausing_one_queue_leaves_the_others,
        a_draining_queue_refuses_frames_and_gives_those_it_has,
        a_purge_that_only_asks_marks_nothing,
        a_purge_does_what_was_answered_when_it_was_asked_for,
        a_purge_leaves_tombstones_in_order_and_later_frames_alone,
        a_purge_can_name_a_stream_and_a_moment,
        a_purge_of_a_paused_queue_is_swept,
        a_mark_waits_for_a_worker_and_outlives_one,
        what_a_dead_worker_had_taken_waits_again,
        a_dropping_stream_takes_more_than_its_bound_but_not_without_end,
        the_accounts_add_up,
        the_holder_and_the_live_workers_are_told,
        a_purge_beside_work_marks_exactly_what_it_tells,
    }
    feed {
        it_tells_all_that_happens_in_order,
        an_event_carries_the_whole_entry,
        a_reader_that_fell_behind_is_told,
        waiting_ends_when_something_happens,
    }
    output {
        pages_begin_where_asked,
        a_page_below_what_is_kept_begins_at_the_oldest,
        the_newest_come_first_when_asked_for,
        the_newest_frame_is_found_behind_any_number_of_tombstones,
        fetching_answers_in_the_order_asked,
        retention_takes_the_oldest_by_count_and_bytes,
        retention_takes_what_was_received_before_a_moment,
        retention_takes_tombstones_too,
        retention_does_a_bounded_piece_at_a_time,
        the_backend_says_how_it_is,
    }
    sampling {
        a_group_and_a_subscription_choose_the_same_frames,
    }
    groups {
        each_frame_goes_to_one_member,
        a_frame_comes_again_after_its_deadline,
        a_seek_makes_old_deliveries_stale,
        what_is_outstanding_is_bounded,
        a_stream_stays_with_its_member_while_it_lives,
        rejected_frames_wait_and_are_given_up_in_the_end,
        a_frame_can_be_given_up_by_who_had_it_last,
        a_given_up_frame_is_entered_once_with_a_copy_of_its_own,
        lag_is_exact_also_after_trimming,
        groups_are_made_changed_listed_and_deleted,
        what_is_passed_over_counts_as_done,
        what_sampling_remembers_is_kept_with_the_position,
        all_servers_have_one_key_for_ack_ids,
    }
    group_registry {
        an_etag_is_of_one_group_and_of_its_last_change_or_seek,
        a_group_that_is_made_again_as_it_was_is_answered_as_it_is,
        of_many_that_make_a_group_at_once_one_makes_it,
    }
    group_members {
        frames_of_a_member_that_does_not_return_come_to_others_at_their_deadlines,
        a_member_that_leaves_gives_back_what_was_not_sent_and_that_does_not_count,
        a_member_that_returns_keeps_its_frames_as_the_same_attempts,
        a_group_has_a_thousand_members_at_most,
        a_second_call_of_a_member_takes_its_seat,
        a_rejection_and_an_extension_hold_when_the_call_has_ended,
        a_rejection_and_an_extension_hold_past_the_deadline_while_nobody_has_the_frame,
        a_member_is_given_no_more_than_it_handles_while_another_has_room,
    }
    group_gaps {
        a_gap_goes_to_another_call_until_a_client_has_it,
        an_ack_of_a_frame_proves_the_gaps_below_it,
        frames_that_are_lost_and_streams_that_go_are_told,
        gaps_that_nobody_takes_are_bounded_and_none_is_lost,
    }
    group_removal {
        a_group_goes_on_behind_what_was_removed,
        positions_wait_where_too_many_gaps_are_untold,
        a_frame_of_a_removed_stream_becomes_no_dead_letter,
    }
    group_replay {
        the_group_gets_the_frame_again_once,
        the_letter_has_the_frame_when_its_output_is_gone,
        a_replay_that_cannot_reach_its_group_changes_nothing,
        a_late_settlement_is_not_of_a_replayed_frame,
        a_group_behind_the_frame_gets_it_once,
        what_the_group_would_get_again_is_asked_without_giving_it,
    }
    dead_letters {
        a_failed_frame_becomes_one_with_its_picture,
        only_a_failure_becomes_one,
        a_withheld_picture_is_kept_nowhere,
        they_are_listed_in_pages_in_both_orders,
        a_filter_selects,
        a_replay_is_a_new_frame_and_happens_once,
        a_replay_that_cannot_be_changes_nothing,
        what_a_replay_would_answer_is_asked_without_changing_anything,
        a_discarded_one_is_gone_with_its_picture,
        their_bytes_are_bounded,
    }
    strikes {
        a_successor_is_careful_with_what_was_in_work,
        a_holder_whose_term_runs_out_has_not_left_cleanly,
        a_death_counts_for_the_frame_that_was_alone,
        what_counts_as_no_strike,
    }
    seek {
        up_to_when_retention_has_taken_frames_is_known,
        frames_over_their_budget_are_counted,
        the_first_entry_since_a_time_is_found,
        failures_in_a_row_are_counted,
        a_stall_timeout_is_kept,
    }
    life {
        a_store_has_an_identity_of_its_own,
        a_number_that_the_store_has_given_out_is_no_news,
        a_server_joins_gives_signs_of_life_and_leaves,
    }
    chaos {
        every_frame_is_published_once_in_order,
    }
}
