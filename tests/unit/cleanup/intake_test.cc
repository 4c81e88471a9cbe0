#include "cleanup/intake.h"

#include "cleanup/notices.h"
#include "tests/unit/cleanup/fixture.h"

using namespace postern;
using namespace postern::cleanup;
using namespace postern::cleanup::test;
using namespace std::chrono_literals;

namespace {

Task<ipc::NoticeDone> canned(ipc::NoticeRequest request) {
  ipc::NoticeDone done;
  done.queue_id = "N" + request.queue_id;
  co_return std::move(done);
}

struct Host {
  explicit Host(Fixture& owner, Role peer = Role::smtpd)
      : fixture(owner),
        pair(peer, Role::cleanup),
        intake(owner.means(), canned) {
    intake.serve(std::move(pair.far_end));
  }
  Fixture& fixture;
  LinkPair pair;
  Intake intake;
};

Task<void> send(ipc::Link* link, Mail* mail, std::string* id, bool* done) {
  Result<ipc::MessageBegun> begun = co_await link->call(mail->begin, 10s);
  REQUIRE(begun.ok());
  REQUIRE_FALSE(begun->trouble.present);
  *id = begun->queue_id;
  for (std::size_t i = 0; i < mail->recipients.size(); ++i)
    link->send(mail->recipients[i]);
  for (std::size_t at = 0; at < mail->content.size(); at += mail->cut) {
    ipc::MessageContent content;
    content.bytes = mail->content.substr(at, mail->cut);
    link->send(content);
    const bool drained = co_await link->drained(10s);
    if (!drained) break;
  }
  ipc::MessageEnd end;
  end.bytes = static_cast<std::int64_t>(mail->content.size());
  Result<ipc::MessageVerdict> verdict = co_await link->call(end, 10s);
  if (verdict) mail->verdict = std::move(*verdict);
  *done = true;
}

Task<void> begin_only(ipc::Link* link, ipc::MessageBegin begin,
                      std::string* id) {
  Result<ipc::MessageBegun> begun = co_await link->call(begin, 10s);
  REQUIRE(begun.ok());
  *id = begun->queue_id;
}

Task<void> end_short(ipc::Link* link, ipc::MessageVerdict* out, bool* done) {
  ipc::MessageEnd end;
  end.bytes = 1000;
  Result<ipc::MessageVerdict> verdict = co_await link->call(end, 10s);
  REQUIRE(verdict.ok());
  *out = std::move(*verdict);
  *done = true;
}

Task<void> ask_notice(ipc::Link* link, std::string id, std::string* out) {
  ipc::NoticeRequest request;
  request.kind = "failure";
  request.queue_id = std::move(id);
  Result<ipc::NoticeDone> done = co_await link->call(request, 10s);
  *out = done ? done->queue_id : done.trouble().text;
}

Task<Result<std::unique_ptr<ipc::Link>>> give(
    std::unique_ptr<ipc::Link>* link) {
  if (!*link) co_return try_later("3.0", "none");
  co_return std::move(*link);
}

Task<void> take(ipc::Link* link, std::optional<ipc::MessageAdmit>* out) {
  std::optional<ipc::Frame> frame = co_await link->next(10s);
  REQUIRE(frame);
  *out = frame->as<ipc::MessageAdmit>();
}

}  // namespace

TEST_CASE("messages come one after another over one link",
          "[cleanup][intake]") {
  Fixture fixture;
  fixture.syncs.start(2);
  Host host(fixture);
  for (int i = 0; i < 3; ++i) {
    Mail mail("Subject: x\n\n" + std::string(300000, 'b') + "\n");
    mail.cut = 50000;
    std::string id;
    bool done = false;
    Nursery nursery;
    nursery.start(send(host.pair.near_end.get(), &mail, &id, &done));
    fixture.loop.run_until([&] { return done && nursery.empty(); });
    CHECK_FALSE(mail.verdict.trouble.present);
    CHECK(mail.verdict.queue_id == id);
    CHECK(mail.verdict.size ==
          static_cast<std::int64_t>(fixture.content(id).size()));
  }
  CHECK(fixture.names(queue::Box::incoming).size() == 3);
}

TEST_CASE("a message that does not end leaves nothing", "[cleanup][intake]") {
  Fixture fixture;
  Host host(fixture);
  ipc::Link* link = host.pair.near_end.get();
  std::string id;
  Nursery nursery;
  nursery.start(begin_only(link, Mail("").begin, &id));
  fixture.loop.run_until([&] { return !id.empty(); });
  REQUIRE(fixture.names(queue::Box::incoming).size() == 1);
  ipc::MessageContent content;
  content.bytes = std::string(500000, 'x');
  link->send(content);
  SECTION("aborted: the link lives on") {
    link->send(ipc::MessageAbort{"client went away"});
    fixture.loop.run_until(
        [&] { return fixture.names(queue::Box::incoming).empty(); });
    Mail mail("Subject: next\n\n");
    bool done = false;
    nursery.start(send(link, &mail, &id, &done));
    fixture.loop.run_until([&] { return done; });
    CHECK_FALSE(mail.verdict.trouble.present);
  }
  SECTION("closed") {
    host.pair.near_end.reset();
    fixture.loop.run_until([&] { return host.intake.links() == 0; });
    CHECK(fixture.names(queue::Box::incoming).empty());
  }
  SECTION("begun again") {
    std::string ignored;
    Nursery second;
    link->send(ipc::MessageRecipient{});
    ipc::MessageEnd end;
    // A question of another kind where none belongs: the peer is confused.
    second.start(begin_only(link, Mail("").begin, &ignored));
    fixture.loop.run_until([&] { return host.intake.links() == 0; });
    CHECK(fixture.names(queue::Box::incoming).empty());
  }
}

TEST_CASE("content that got lost on the way is noticed", "[cleanup][intake]") {
  Fixture fixture;
  Host host(fixture);
  ipc::Link* link = host.pair.near_end.get();
  std::string id;
  Nursery nursery;
  nursery.start(begin_only(link, Mail("").begin, &id));
  fixture.loop.run_until([&] { return !id.empty(); });
  ipc::MessageRecipient recipient;
  recipient.address = "a@b";
  link->send(recipient);
  ipc::MessageVerdict verdict;
  bool done = false;
  nursery.start(end_short(link, &verdict, &done));
  fixture.loop.run_until([&] { return done; });
  CHECK(verdict.trouble.present);
  CHECK(fixture.names(queue::Box::incoming).empty());
}

TEST_CASE("requests for notices are answered side by side",
          "[cleanup][intake]") {
  Fixture fixture;
  Host host(fixture, Role::qmgr);
  std::string one, two;
  Nursery nursery;
  nursery.start(ask_notice(host.pair.near_end.get(), "1", &one));
  nursery.start(ask_notice(host.pair.near_end.get(), "2", &two));
  fixture.loop.run_until([&] { return !one.empty() && !two.empty(); });
  CHECK(one == "N1");
  CHECK(two == "N2");
}

TEST_CASE("draining lets the message under way finish", "[cleanup][intake]") {
  Fixture fixture;
  Host busy(fixture);
  LinkPair idle(Role::smtpd, Role::cleanup);
  busy.intake.serve(std::move(idle.far_end));
  Mail mail("Subject: x\n\n");
  std::string id;
  bool done = false, drained = false;
  Nursery nursery;
  nursery.start(send(busy.pair.near_end.get(), &mail, &id, &done));
  fixture.loop.run_until([&] { return !id.empty(); });
  busy.intake.drain([&] { drained = true; });
  CHECK_FALSE(drained);
  fixture.loop.run_until([&] { return done && drained; });
  CHECK_FALSE(mail.verdict.trouble.present);
  CHECK(mail.verdict.queue_id == id);
  fixture.loop.run_until([&] { return !busy.pair.near_end->open(); });
}

TEST_CASE("qmgr hears of a message with all it needs", "[cleanup][admission]") {
  Fixture fixture;
  LinkPair pair(Role::cleanup, Role::qmgr);
  Admission admission([&] { return give(&pair.near_end); });
  admission.start();
  Means means{fixture.settings, fixture.spool, fixture.book,
              fixture.syncs,    admission,     fixture.log};
  std::optional<ipc::MessageAdmit> admit;
  Nursery nursery;
  nursery.start(take(pair.far_end.get(), &admit));
  Mail mail("Subject: x\n\n");
  SECTION("with routes") {}
  SECTION("without, when a table is silent") { fixture.book.no_routes = true; }
  fixture.run(submit(&means, &mail));
  fixture.loop.run_until([&] { return admit.has_value(); });
  CHECK(admit->queue_id == mail.verdict.queue_id);
  const std::optional<queue::Envelope> envelope =
      queue::decode_envelope(admit->envelope);
  REQUIRE(envelope);
  CHECK(envelope->recipients.at(0).address == "rcpt@example.com");
  CHECK(queue::decode_layout(admit->layout).has_value());
  if (fixture.book.no_routes) {
    CHECK(admit->routes.empty());
  } else {
    REQUIRE(admit->routes.size() == 1);
    CHECK(admit->routes[0].nexthop == "example.com");
  }
}
