// Header lines (header.h) and Received (received.h).
#include "common/mail/header.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "common/mail/received.h"

using namespace postern::mail;

TEST_CASE("header lines are told from others", "[mail][header]") {
  const std::pair<const char*, std::size_t> cases[] = {
      {"Subject: x", 7}, {"Subject:", 7},   {"To \t: x", 2}, {"X-A_b!:", 6},
      {"no header", 0},  {": x", 0},        {"", 0},         {" To: x", 0},
      {"a b: c", 0},     {"A\xc3\xbc:", 0}, {"A\x7f: x", 0},
  };
  for (const auto& [line, length] : cases) {
    CAPTURE(line);
    CHECK(header_name_length(line) == length);
  }
  CHECK(header_name_length("A\xc3\xbc:", true) == 3);
}

TEST_CASE("headers are known by name whatever the case", "[mail][header]") {
  for (const char* name : {"Apparently-To",
                           "Bcc",
                           "Cc",
                           "Content-Description",
                           "Content-Disposition",
                           "Content-ID",
                           "Content-Length",
                           "Content-Transfer-Encoding",
                           "Content-Type",
                           "Date",
                           "Delivered-To",
                           "Disposition-Notification-To",
                           "Errors-To",
                           "From",
                           "Mail-Followup-To",
                           "Message-Id",
                           "MIME-Version",
                           "Received",
                           "Reply-To",
                           "Resent-Bcc",
                           "Resent-Cc",
                           "Resent-Date",
                           "Resent-From",
                           "Resent-Message-Id",
                           "Resent-Reply-To",
                           "Resent-Sender",
                           "Resent-To",
                           "Return-Path",
                           "Return-Receipt-To",
                           "Sender",
                           "Subject",
                           "To"}) {
    CAPTURE(name);
    CHECK(find_header(name).name == name);
  }
  CHECK(find_header("rEPLY-tO").id == HeaderId::reply_to);
  CHECK(find_header("bcc").has(HeaderUse::drop));
  CHECK(find_header("Resent-To").has(HeaderUse::extract));
  CHECK(find_header("From").has_addresses());
  CHECK_FALSE(find_header("Subject").has_addresses());
  CHECK(find_header("X-Other").id == HeaderId::unknown);
  CHECK(find_header("").id == HeaderId::unknown);
}

TEST_CASE("a header section is read header by header", "[mail][header]") {
  HeaderSplitter splitter;
  std::optional<Header> header;
  CHECK(splitter.feed("Subject: one", header) == HeaderSplitter::Line::header);
  CHECK_FALSE(header);
  CHECK(splitter.feed("\ttwo", header) == HeaderSplitter::Line::header);
  CHECK_FALSE(header);
  CHECK(splitter.feed("To: x ", header) == HeaderSplitter::Line::header);
  REQUIRE(header);
  CHECK(header->text == "Subject: one\n\ttwo");
  CHECK(header->name() == "Subject");
  CHECK(header->value() == "one\n\ttwo");
  CHECK(splitter.feed("", header) == HeaderSplitter::Line::separator);
  REQUIRE(header);
  CHECK(header->value() == "x");
}

TEST_CASE("a line that is no header ends the section", "[mail][header]") {
  HeaderSplitter splitter;
  std::optional<Header> header;
  splitter.feed("A: b", header);
  CHECK(splitter.feed("not a header", header) == HeaderSplitter::Line::body);
  CHECK(header->name() == "A");
  CHECK(HeaderSplitter().feed(" blank first", header) ==
        HeaderSplitter::Line::body);
  HeaderSplitter ends;
  ends.feed("A: b", header);
  CHECK(ends.finish()->text == "A: b");
  CHECK_FALSE(ends.finish());
}

TEST_CASE("long headers are cut at the limit", "[mail][header]") {
  HeaderSplitter splitter(10);
  std::optional<Header> header;
  splitter.feed("A: 567", header);
  CHECK_FALSE(splitter.truncated());
  for (int i = 0; i < 3; ++i) splitter.feed(" 9abcdef", header);
  CHECK(splitter.truncated());
  CHECK(splitter.finish()->text == "A: 567\n 9a");
}

TEST_CASE("From carries the full name", "[mail][header]") {
  const auto from = [](const char* name, FromFormat format) {
    return from_header("From", name, "alice@example.com", format);
  };
  CHECK(from("Alice (the) Second", FromFormat::obsolete) ==
        "From: alice@example.com (Alice (the) Second)");
  CHECK(from("root", FromFormat::standard) == "From: root <alice@example.com>");
  CHECK(from("", FromFormat::standard) == "From: alice@example.com");
  CHECK(from("A. \"B\" C", FromFormat::standard) ==
        "From: \"A. \\\"B\\\" C\" <alice@example.com>");
  CHECK(from("half) a", FromFormat::obsolete) ==
        "From: alice@example.com (half\\) a)");
  CHECK(from("a\nBcc: x", FromFormat::standard) ==
        "From: \"a Bcc: x\" <alice@example.com>");
  CHECK(from("J\xc3\xbcrgen K", FromFormat::standard) ==
        "From: =?utf-8?Q?J=C3=BCrgen_K?= <alice@example.com>");
  CHECK(from_header("Resent-From", "J\xc3\xbc", "a b@c", FromFormat::standard,
                    true) == "Resent-From: J\xc3\xbc <\"a b\"@c>");
}

TEST_CASE("encoded words are short and whole", "[mail][header]") {
  CHECK(encode_words("caf\xe9") == "=?iso-8859-1?Q?caf=E9?=");
  std::string text;
  for (int i = 0; i < 60; ++i) text += "\xe7\x94\xa8";
  std::size_t start = 0;
  const std::string words = encode_words(text);
  while (start < words.size()) {
    const std::size_t end = std::min(words.find(' ', start), words.size());
    CHECK(end - start <= 75);
    CHECK((end - start - 12) % 9 == 0);  // no character is split
    start = end + 1;
  }
}

TEST_CASE("Received tells where mail came from", "[mail][received]") {
  setenv("TZ", "UTC", 1);
  Received received{.hostname = "mail.example.com", .queue_id = "ABC"};
  CHECK(received_header(received) ==
        "Received: by mail.example.com (Postfix)\n\tid ABC; "
        "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)");
  received.user_id = 0;
  CHECK(received_header(received) ==
        "Received: by mail.example.com (Postfix, from userid 0)\n\tid ABC; "
        "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)");
  received.user_id.reset();
  received.from = ReceivedFrom{"client.test", "localhost", "127.0.0.1"};
  CHECK(received_header(received) ==
        "Received: from client.test (localhost [127.0.0.1])\n"
        "\tby mail.example.com (Postfix) with ESMTP id ABC;\n"
        "\tThu, 1 Jan 1970 00:00:00 +0000 (UTC)");
  received.recipient = "a b@example.com";
  received.from->authenticated = "bob";
  received.from->protocol = protocol_name(true, true, true, false);
  received.from->address = "::1";
  received.from->tls =
      TlsTrace{"TLSv1.3", "TLS_AES_256_GCM_SHA384", 256,     256,
               "X25519",  "RSA-PSS (2048 bits)",    "SHA256"};
  CHECK(received_header(received) ==
        "Received: from client.test (localhost [IPv6:::1])\n"
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
        "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) "
        "server-digest SHA256)\n"
        "\t(No client certificate requested)\n"
        "\t(Authenticated sender: bob)\n"
        "\tby mail.example.com (Postfix) with ESMTPSA id ABC\n"
        "\tfor <\"a b\"@example.com>; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)");
  received.from->tls = TlsTrace{.protocol = "TLSv1.2",
                                .cipher = "C",
                                .used_bits = 128,
                                .algorithm_bits = 256,
                                .client = TlsTrace::Client::verified,
                                .client_name = "x\") (y",
                                .client_issuer = "ca"};
  received.from->authenticated.clear();
  CHECK_THAT(received_header(received),
             Catch::Contains("\t(using TLSv1.2 with cipher C (128/256 bits))\n"
                             "\t(Client CN \"x\"\\) \\(y\", Issuer \"ca\" "
                             "(verified OK))\n\tby "));
}

TEST_CASE("protocol names follow RFC 3848 and RFC 6531", "[mail][received]") {
  CHECK(protocol_name(false, true, true, false) == "SMTP");
  CHECK(protocol_name(true, false, false, false) == "ESMTP");
  CHECK(protocol_name(true, true, false, false) == "ESMTPS");
  CHECK(protocol_name(true, false, true, false) == "ESMTPA");
  CHECK(protocol_name(true, true, true, true) == "UTF8SMTPSA");
}
