// Unverified addresses.
#include <catch2/catch.hpp>

#include "tests/unit/common/access/harness.h"

using namespace postern;
using namespace postern::access::test;
using Catch::Contains;

namespace {

ipc::VerifyAnswer answer(std::int64_t status, const char* text) {
  ipc::VerifyAnswer out;
  out.status = status;
  out.text = text;
  return out;
}

}  // namespace

TEST_CASE("an address is refused by what its probe met") {
  struct Case {
    const char* settings;
    std::int64_t status;
    const char* reply;
  };
  const Case cases[] = {
      {"", ipc::verify_deliverable, ""},
      {"", ipc::verify_todo,
       "450 4.1.7 <a@client.test>: Sender address rejected: unverified "
       "address: because"},
      {"", ipc::verify_temporary,
       "450 4.1.7 <a@client.test>: Sender address rejected: unverified "
       "address: because"},
      // The code's class decides the words, as in Postfix.
      {"", ipc::verify_undeliverable,
       "450 4.1.7 <a@client.test>: Sender address rejected: unverified "
       "address: because"},
      {"unverified_sender_reject_code = 550\n", ipc::verify_undeliverable,
       "550 5.1.7 <a@client.test>: Sender address rejected: undeliverable "
       "address: because"},
      {"unverified_sender_reject_code = 550\n"
       "unverified_sender_reject_reason = no such user\n",
       ipc::verify_undeliverable,
       "550 5.1.7 <a@client.test>: Sender address rejected: undeliverable "
       "address: no such user"},
      {"unverified_sender_reject_code = 250\n", ipc::verify_undeliverable, ""},
      {"unverified_sender_defer_code = 250\n", ipc::verify_temporary, ""},
      {"unverified_sender_tempfail_action = defer\n", ipc::verify_temporary,
       "450 4.1.7 <a@client.test>: Sender address rejected: unverified "
       "address: because"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.settings, c.status);
    Harness h(std::string("smtpd_sender_restrictions = "
                          "reject_unverified_sender\n") + c.settings);
    h.questions.verified["a@client.test"] = answer(c.status, "because");
    CHECK(h.rcpt() == c.reply);
  }
}

TEST_CASE("a recipient is verified with words of its own") {
  Harness h("smtpd_recipient_restrictions = reject_unverified_recipient\n"
            "unverified_recipient_reject_code = 553\n");
  h.questions.verified["b@here.test"] =
      answer(ipc::verify_undeliverable, "gone");
  CHECK(h.rcpt() == "553 5.1.1 <b@here.test>: Recipient address rejected: "
                    "undeliverable address: gone");
}

TEST_CASE("the null sender is not verified") {
  Harness h("smtpd_sender_restrictions = reject_unverified_sender\n");
  h.facts.sender = "";
  CHECK(h.rcpt() == "");
  CHECK(h.questions.asked.empty());
}

TEST_CASE("without a verify service mail is put off") {
  Harness h("smtpd_sender_restrictions = reject_unverified_sender\n");
  CHECK(h.rcpt() == "450 4.1.7 <a@client.test>: Sender address rejected: "
                    "address verification problem");
}

TEST_CASE("a new address is waited for as long as the polls would take") {
  struct Case {
    const char* settings;
    std::int64_t wait;
  };
  const Case cases[] = {
      {"", 6000},
      {"address_verify_poll_count = 1\n", 0},
      {"address_verify_poll_delay = 1s\n", 2000},
      {"stress = yes\n", 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.settings);
    Harness h(std::string("smtpd_sender_restrictions = "
                          "reject_unverified_sender\n") + c.settings);
    h.rcpt();
    CHECK(h.questions.waits == std::vector<std::int64_t>{c.wait});
  }
}
