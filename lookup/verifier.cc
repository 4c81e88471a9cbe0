#include "lookup/verifier.h"

#include <ctime>
#include <utility>

namespace postern::lookup {
namespace {

ipc::VerifyAnswer answer_of(const Verification& entry) {
  ipc::VerifyAnswer answer;
  answer.status = entry.status;
  answer.text = entry.text;
  return answer;
}

}  // namespace

// In the list of those that wait, for as long as it lives.
class Verifier::Place {
 public:
  Place(std::multimap<std::string, Waiting*>& list, const std::string& address,
        Waiting* waiting)
      : list_(list), at_(list.emplace(address, waiting)) {}
  ~Place() { list_.erase(at_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::multimap<std::string, Waiting*>& list_;
  std::multimap<std::string, Waiting*>::iterator at_;
};

Verifier::Verifier(tables::CacheFile cache, VerificationRules rules,
                   Probe probe, log::Log log)
    : cache_(std::move(cache)),
      rules_(rules),
      probe_(std::move(probe)),
      log_(std::move(log)),
      clock_([] { return static_cast<std::int64_t>(std::time(nullptr)); }) {}

// A line that cannot be read is no knowledge.
Result<std::optional<Verification>> Verifier::known(
    const std::string& address) {
  const Result<std::optional<std::string>> line = cache_.get(address);
  if (!line) return line.trouble();
  std::optional<Verification> entry;
  if (*line) entry = Verification::from_line(**line);
  return entry;
}

void Verifier::write(const std::string& address, const Verification& entry) {
  const Status done = cache_.put(address, entry.line());
  if (!done) log_.warning(done.trouble().text);
}

Task<ipc::VerifyAnswer> Verifier::find(ipc::VerifyFind question) {
  const std::string address = question.address;
  const Result<std::optional<Verification>> found = known(address);
  if (!found) {
    log_.warning(found.trouble().text);
    ipc::VerifyAnswer failed;
    failed.trouble = ipc::TroubleWire::from(found.trouble());
    co_return std::move(failed);
  }
  // Somebody waits: where failures are not remembered, the cache does not know
  // of the probe.
  const bool under_way = waiting_.contains(address);
  const access::VerificationStep step = access::on_question(*found, rules_, clock_());
  if (step.forget) {
    const Status done = cache_.remove(address);
    if (!done) log_.warning(done.trouble().text);
  }
  if (step.write) write(address, step.answer);
  if (step.probe && !under_way)
    nursery_.start(send(address, question.smtputf8));
  if (step.answer.status != ipc::verify_todo || question.wait <= 0)
    co_return answer_of(step.answer);
  ipc::VerifyAnswer answer =
      co_await wait_for(address, Millis(question.wait));
  if (answer.status == ipc::verify_todo) answer.text = step.answer.text;
  co_return std::move(answer);
}

Task<ipc::VerifyAnswer> Verifier::wait_for(std::string address, Millis limit) {
  Waiting waiting;
  const Place place(waiting_, address, &waiting);
  const bool told = co_await waiting.wait(limit);
  if (told) co_return waiting.take();
  co_return ipc::VerifyAnswer{};
}

// A probe that could not be sent leaves the address as unknown as it was; it
// is tried again with a later question.
Task<void> Verifier::send(std::string address, bool smtputf8) {
  const Status sent = co_await probe_(address, smtputf8);
  if (sent) co_return;
  log_.warning("probe of <{}> not sent: {}", address, sent.trouble().text);
  const Result<std::optional<Verification>> found = known(address);
  if (!found || !*found) co_return;
  Verification entry = **found;
  entry.probed = 0;
  if (entry.updated == 0) {
    const Status done = cache_.remove(address);
    if (!done) log_.warning(done.trouble().text);
  } else {
    write(address, entry);
  }
}

ipc::VerifyNoted Verifier::note(const ipc::VerifyNote& note) {
  const Result<std::optional<Verification>> found = known(note.address);
  if (!found) log_.warning(found.trouble().text);
  const std::optional<Verification> entry =
      access::on_result(found ? *found : std::nullopt, note.status, note.text, rules_,
                clock_());
  if (entry) write(note.address, *entry);
  ipc::VerifyAnswer answer;
  answer.status = note.status;
  answer.text = note.text;
  const auto [first, last] = waiting_.equal_range(note.address);
  for (auto at = first; at != last; ++at) at->second->set(answer);
  return {};
}

void Verifier::clean() {
  const std::int64_t now = clock_();
  const Result<tables::CacheFile::Counts> counts = cache_.clean(
      [&](std::string_view, std::string_view line) {
        const std::optional<Verification> entry = Verification::from_line(line);
        return !entry || access::expired(*entry, rules_, now);
      });
  if (counts)
    log_.info("cache {} full cleanup: retained={} dropped={} entries",
              cache_.path(), counts->kept, counts->dropped);
  else
    log_.warning(counts.trouble().text);
}

}  // namespace postern::lookup
