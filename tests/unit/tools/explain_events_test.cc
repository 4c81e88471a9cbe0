#include "tools/explain_events.h"

#include <catch2/catch.hpp>

using namespace postern::tools;

namespace {

const std::string head = "Nov 24 10:00:00 mail postern/submission/smtpd[12]: ";

}  // namespace

TEST_CASE("a refusal's line is read into its parts") {
  const auto event = parse_refusal(
      head +
      "NOQUEUE: reject: RCPT from client.test[192.0.2.7]:4711: 554 5.7.1 "
      "<b@x.test>: Relay access denied; from=<a@client.test> to=<b@x.test> "
      "proto=ESMTP helo=<client.test>");
  REQUIRE(event);
  CHECK(event->queue_id == "NOQUEUE");
  CHECK(event->where == "RCPT");
  CHECK(event->client_name == "client.test");
  CHECK(event->client_address == "192.0.2.7");
  CHECK(event->reply == "554 5.7.1 <b@x.test>: Relay access denied");
  CHECK(event->sender == "a@client.test");
  CHECK(event->recipient == "b@x.test");
  CHECK(event->protocol == "ESMTP");
  CHECK(event->helo == "client.test");
  CHECK(event->tag == "postern/submission/smtpd");
}

TEST_CASE("what a session has not said yet is missing") {
  const auto event = parse_refusal(
      head + "NOQUEUE: reject: CONNECT from unknown[2001:db8::1]: 554 5.7.1 "
             "<unknown[2001:db8::1]>: Client host rejected: Access denied; "
             "proto=SMTP");
  REQUIRE(event);
  CHECK(event->where == "CONNECT");
  CHECK(event->client_address == "2001:db8::1");
  CHECK(event->reply.ends_with("Access denied"));
  CHECK(!event->sender);
  CHECK(!event->recipient);
  CHECK(!event->helo);
}

TEST_CASE("words of the reply do not pass for the envelope") {
  const auto event = parse_refusal(
      head + "NOQUEUE: reject: RCPT from a.test[192.0.2.7]: 554 5.7.1 write "
             "to=<x@y.test>; from=<z@y.test> please; from=<> to=<b@x.test> "
             "proto=SMTP helo=<h>");
  REQUIRE(event);
  CHECK(event->reply.ends_with("please"));
  CHECK(event->sender == "");
  CHECK(event->recipient == "b@x.test");
}

TEST_CASE("other lines tell of no refusal") {
  for (const char* line :
       {"", "connect from a[1.2.3.4]", "A1: reject: RCPT", "A1: reject: ",
        "A1: reject: header Subject: x from a[1.2.3.4]; from=<>: y",
        "A1: reject: RCPT from a: 554 x", "A1: reject: RCPT from ][: 554 x"}) {
    CAPTURE(line);
    CHECK(!parse_refusal(line));
  }
}

TEST_CASE("the log is searched by queue id and by the last session") {
  const auto refusal = [](const std::string& id, const std::string& to) {
    return head + id + ": reject: RCPT from a.test[192.0.2.7]: 550 5.1.1 no; " +
           "from=<> to=<" + to + "> proto=ESMTP helo=<h>\n";
  };
  const std::string log =
      head + "connect from a.test[192.0.2.7]\n" + refusal("NOQUEUE", "old@x") +
      head + "connect from a.test[192.0.2.7]\n" +
      head + "Anonymous TLS connection established from a.test[192.0.2.7]: "
             "TLSv1.3\n" +
      head + "4X1: client=a.test[192.0.2.7], sasl_method=PLAIN, "
             "sasl_username=u@x.test\n" +
      refusal("4X1", "one@x") + refusal("4X2", "two@x") +
      head + "connect from b.test[192.0.2.70]\n";
  const auto of_message = refusals_of_message(log, "4X1");
  REQUIRE(of_message.size() == 1);
  CHECK(of_message[0].recipient == "one@x");
  CHECK(of_message[0].sasl_user == "u@x.test");
  CHECK(of_message[0].sasl_method == "PLAIN");
  const auto of_session = refusals_of_session(log, "192.0.2.7");
  REQUIRE(of_session.size() == 2);
  CHECK(of_session[0].recipient == "one@x");
  CHECK(of_session[1].recipient == "two@x");
  CHECK(of_session[1].encrypted);
  CHECK(refusals_of_session(log, "192.0.2.70").empty());
  CHECK(refusals_of_message(log, "4X").empty());
}
