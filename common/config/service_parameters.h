// Parameters whose names begin with the name of a master.conf service, as in
// `relay_destination_concurrency_limit` (postconf(5), "transport_…").
#pragma once

#include <optional>
#include <string_view>

#include "common/config/row.h"

namespace postern::config {

// `name` is the part behind the service's name, its underscore included.
inline constexpr Row transport_rows[] = {
    integer("_delivery_slot_cost", "$default_delivery_slot_cost",
            "How many recipients are sent before another message may overtake.",
            0),
    integer("_delivery_slot_discount", "$default_delivery_slot_discount",
            "Percentage of the slots that an overtaking message need not have "
            "earned.",
            0, 100),
    integer("_delivery_slot_loan", "$default_delivery_slot_loan",
            "Slots that an overtaking message need not have earned.", 0),
    integer("_destination_concurrency_failed_cohort_limit",
            "$default_destination_concurrency_failed_cohort_limit",
            "Failures in a row, in units of the concurrency, that mark a "
            "destination dead.",
            0),
    integer("_destination_concurrency_limit",
            "$default_destination_concurrency_limit",
            "Deliveries at once to one destination.", 0),
    text("_destination_concurrency_negative_feedback",
         "$default_destination_concurrency_negative_feedback",
         "How much a failure lowers the concurrency."),
    text("_destination_concurrency_positive_feedback",
         "$default_destination_concurrency_positive_feedback",
         "How much a success raises the concurrency."),
    duration("_destination_rate_delay", "$default_destination_rate_delay",
             "Pause between deliveries to one destination."),
    integer("_destination_recipient_limit",
            "$default_destination_recipient_limit",
            "Recipients in one delivery.", 0),
    integer("_extra_recipient_limit", "$default_extra_recipient_limit",
            "Recipients in memory beyond the limit, for messages that "
            "overtake.",
            0),
    integer("_initial_destination_concurrency",
            "$initial_destination_concurrency",
            "Concurrency that a new destination starts with.", 1),
    integer("_minimum_delivery_slots", "$default_minimum_delivery_slots",
            "Slots that a message must be able to earn before any may "
            "overtake it.",
            0),
    integer("_recipient_limit", "$default_recipient_limit",
            "Recipients of the transport that are held in memory.", 0),
    duration("_recipient_refill_delay", "$default_recipient_refill_delay",
             "Longest wait before more recipients are read in.", 1),
    integer("_recipient_refill_limit", "$default_recipient_refill_limit",
            "Recipients to read in at a time.", 1),
    duration("_transport_rate_delay", "$default_transport_rate_delay",
             "Pause between deliveries of the transport, whatever the "
             "destination."),
};

// For services whose program is pipe or spawn.
inline constexpr Row command_rows[] = {
    duration("_time_limit", "$command_time_limit",
             "How long the command may run.", 1),
};

// Programs of master.conf rows whose services are transports.
inline constexpr std::string_view transport_programs[] = {
    "error", "lmtp", "local", "pipe", "smtp", "virtual"};
inline constexpr std::string_view command_programs[] = {"pipe", "spawn"};

struct ServiceParameter {
  std::string_view service;  // a part of the name asked for
  const Row* row = nullptr;
};

// Splits `relay_destination_rate_delay` into `relay` and its row, by the longest
// suffix that fits. Any service name will do: whether it exists is the caller's
// question.
std::optional<ServiceParameter> find_service_parameter(std::string_view name);

}  // namespace postern::config
