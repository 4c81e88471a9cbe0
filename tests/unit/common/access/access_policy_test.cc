// check_policy_service: what is asked, and what an answer does.
#include <catch2/catch.hpp>

#include "common/tls/facts.h"
#include "tests/unit/common/access/harness.h"

using namespace postern;
using namespace postern::access::test;
using Catch::Contains;

TEST_CASE("a policy service is told all that is known") {
  Harness h("smtpd_recipient_restrictions = check_policy_service "
            "{ inet:127.0.0.1:9998, policy_context=outer }\n");
  h.questions.actions["127.0.0.1:9998"] = "DUNNO";
  h.facts.size = 1234;
  h.facts.instance = "1.2.3";
  h.facts.queue_id = "Q1";
  CHECK(h.rcpt() == "");
  CHECK(h.questions.requests.at(0) ==
        "request=smtpd_access_policy\nprotocol_state=RCPT\n"
        "protocol_name=ESMTP\nclient_address=192.0.2.7\n"
        "client_name=client.test\nclient_port=4000\n"
        "reverse_client_name=client.test\nserver_address=192.0.2.1\n"
        "server_port=25\nhelo_name=client.test\nsender=a@client.test\n"
        "recipient=b@here.test\nrecipient_count=0\nqueue_id=Q1\n"
        "instance=1.2.3\nsize=1234\netrn_domain=\nstress=\nsasl_method=\n"
        "sasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\n"
        "ccert_fingerprint=\nccert_pubkey_fingerprint=\n"
        "encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n"
        "policy_context=outer\n\n");
}

TEST_CASE("a policy service is told of the login and of TLS") {
  Harness h("smtpd_recipient_restrictions = check_policy_service unix:p\n");
  h.questions.actions["p"] = "DUNNO";
  h.facts.login = std::make_unique<access::Login>();
  h.facts.login->method = "PLAIN";
  h.facts.login->user = "ann";
  auto link = std::make_shared<tls::Facts>();
  link->protocol = "TLSv1.3";
  link->cipher = "TLS_AES_256_GCM_SHA384";
  link->used_bits = 256;
  link->peer.subject = "a b";
  link->peer.fingerprint = "AB:CD";
  h.facts.tls = link;
  h.rcpt();
  const std::string untrusted = h.questions.requests.at(0);
  CHECK_THAT(untrusted, Contains("\nsasl_method=PLAIN\nsasl_username=ann\n"));
  CHECK_THAT(untrusted, Contains("\nccert_subject=\n"));
  CHECK_THAT(untrusted, Contains("\nccert_fingerprint=AB:CD\n"));
  CHECK_THAT(untrusted,
             Contains("\nencryption_protocol=TLSv1.3\nencryption_cipher=TLS_"
                      "AES_256_GCM_SHA384\nencryption_keysize=256\n"));
  link->peer.trusted = true;
  h.rcpt();
  CHECK_THAT(h.questions.requests.at(1), Contains("\nccert_subject=a+20b\n"));
}

TEST_CASE("recipients are counted where all are known; ETRN names its site") {
  Harness h("smtpd_data_restrictions = check_policy_service unix:p\n"
            "smtpd_etrn_restrictions = check_policy_service unix:p\n"
            "stress = yes\n");
  h.questions.actions["p"] = "OK";
  h.facts.recipients = 3;
  CHECK(h.data() == "");
  CHECK_THAT(h.questions.requests.at(0), Contains("\nrecipient=\n"));
  CHECK_THAT(h.questions.requests.at(0), Contains("\nrecipient_count=3\n"));
  CHECK_THAT(h.questions.requests.at(0), Contains("\nstress=yes\n"));
  CHECK(h.etrn("site.test") == "");
  CHECK_THAT(h.questions.requests.at(1), Contains("\netrn_domain=site.test\n"));
}

TEST_CASE("one transaction is one instance") {
  Harness h("smtpd_recipient_restrictions = check_policy_service unix:p\n");
  h.questions.actions["p"] = "DUNNO";
  h.rcpt();
  const std::string first = h.facts.instance;
  h.rcpt();
  CHECK(h.facts.instance == first);
  CHECK_FALSE(first.empty());
  h.facts.instance.clear();
  h.rcpt();
  CHECK(h.facts.instance != first);
}

TEST_CASE("an answer is an action of access(5)") {
  struct Case {
    const char* action;
    const char* reply;
  };
  const Case cases[] = {
      {"OK", ""},
      {"DUNNO", "554 5.7.1 <b@here.test>: Recipient address rejected: Access "
                "denied"},
      {"REJECT 5.7.9 no", "554 5.7.9 <b@here.test>: Recipient address "
                          "rejected: no"},
      {"defer_if_permit wait",
       "554 5.7.1 <b@here.test>: Recipient address rejected: Access denied"},
      {"defer_if_reject wait", "450 4.7.1 <b@here.test>: Recipient address "
                               "rejected: wait"},
      {"451 4.3.0 x", "451 4.3.0 <b@here.test>: Recipient address rejected: x"},
      {"PREPEND X-A: b", "554 5.7.1 <b@here.test>: Recipient address "
                         "rejected: Access denied"},
      {"permit_auth_destination", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.action);
    Harness h("smtpd_recipient_restrictions = check_policy_service unix:p, "
              "reject\n");
    h.questions.actions["p"] = c.action;
    CHECK(h.rcpt() == c.reply);
  }
}

TEST_CASE("a service that does not answer has a default action") {
  struct Case {
    const char* service;
    const char* reply;
  };
  const Case cases[] = {
      {"unix:p", "451 4.3.5 <b@here.test>: Recipient address rejected: Server "
                 "configuration problem"},
      {"{ unix:p, default_action=DUNNO }", ""},
      {"{ unix:p, { default_action = 421 4.3.9 gone } }",
       "421 4.3.9 <b@here.test>: Recipient address rejected: gone"},
      // A default that asks again gets the built-in one.
      {"{ unix:p, { default_action = check_policy_service unix:p } }, "
       "permit, check_policy_service unix:p",
       "451 4.3.5 <b@here.test>: Recipient address rejected: Server "
       "configuration problem"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.service);
    Harness h(std::string("smtpd_recipient_restrictions = "
                          "check_policy_service ") + c.service + "\n");
    CHECK(h.rcpt() == c.reply);
  }
}

TEST_CASE("a service that cannot be understood is a fault of ours") {
  Harness h("smtpd_recipient_restrictions = check_policy_service "
            "{ inet:x:1, tiemout=3 }\n");
  CHECK(h.rcpt() == "451 4.3.5 Server configuration error");
  CHECK_THAT(h.log_text(), Contains("unknown setting \"tiemout\""));
}
