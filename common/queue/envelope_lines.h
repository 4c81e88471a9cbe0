// One line of an envelope section, as envelope.cc and envelope_reader.cc
// read it.
#pragma once

#include <string_view>

#include "common/queue/envelope.h"

namespace postern::queue {

enum class EnvelopeLine {
  of_message,    // into the envelope
  of_recipient,  // into the recipient that comes next
  recipient,     // that one is complete, but for where its mark lies
  end,           // the last line
  damaged,
};

// `line` without its line end.
EnvelopeLine take_line(std::string_view line, Envelope& envelope,
                       Recipient& next);

}  // namespace postern::queue
