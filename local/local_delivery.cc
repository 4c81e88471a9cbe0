#include "local/local_delivery.h"

#include <algorithm>
#include <utility>

#include "local/command.h"
#include "local/exit_status.h"
#include "local/storing.h"

namespace postern::local {
namespace {

using Kind = Step::Kind;

std::string mailbox_failure(const std::string& path, const std::string& user,
                            const std::string& why) {
  if (path.ends_with('/')) return "maildir delivery failed: " + why;
  return "cannot update mailbox " + path + " for user " + user + ". " + why;
}

Trouble with_text(Trouble trouble, std::string text) {
  trouble.text = std::move(text);
  return trouble;
}

}  // namespace

std::vector<NewMessage> new_messages(const Plan& plan,
                                     const std::string& sender) {
  std::vector<NewMessage> messages;
  for (const Step& step : plan.steps) {
    if (step.kind != Kind::forward) continue;
    // A notice about undeliverable mail keeps its null sender, whoever owns
    // the list: notices about notices would go round.
    const bool owned = step.owner && !sender.empty();
    const std::string& from = owned ? *step.owner : sender;
    auto same = std::find_if(
        messages.begin(), messages.end(), [&](const NewMessage& each) {
          return each.sender == from && each.delivered == step.delivered &&
                 each.owned == owned;
        });
    if (same == messages.end()) {
      messages.push_back({from, step.delivered, {}, owned});
      same = std::prev(messages.end());
    }
    same->recipients.push_back(step.recipient);
  }
  return messages;
}

// Address verification: what would be done.
void LocalDelivery::announce(const Plan& plan, Outcome& outcome) const {
  for (const Step& step : plan.steps) {
    switch (step.kind) {
      case Kind::refuse:
        outcome.failed(step.recipient, step.trouble);
        break;
      case Kind::forward:
        outcome.sent(step.recipient, "forwards to " + step.recipient, "");
        break;
      case Kind::command:
        outcome.sent(step.recipient, "delivers to command: " + step.text, "");
        break;
      case Kind::file:
        outcome.sent(step.recipient, "delivers to file: " + step.text, "");
        break;
      case Kind::pass:
        outcome.sent(step.recipient, "passes to transport " + step.text, "");
        break;
      case Kind::store:
      case Kind::discard:
        outcome.sent(step.recipient, "delivers to mailbox", "");
        break;
    }
  }
}

Task<ipc::DeliverResult> LocalDelivery::deliver(const Job* job,
                                                std::size_t recipient) {
  const ipc::DeliverRecipient& who = job->request.recipients[recipient];
  Outcome outcome(settings_, log_, job->request, who, job->started);
  Expansion expansion(settings_.expand, directory_, job->delivered_to);
  const Plan plan = co_await expansion.run(who.address);
  for (const std::string& warning : plan.warnings) log_.warning(warning);
  if (job->request.verify_only) {
    announce(plan, outcome);
    co_await filter_.release(&outcome);
    co_return outcome.result();
  }
  const bool nothing = plan.deferred();
  if (plan.expanded && !nothing) outcome.expanded(plan.owned);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    outcome.for_owner(step.owner.value_or(""));
    if (step.kind == Kind::refuse) {
      if (!nothing || step.trouble.temporary())
        outcome.failed(step.recipient, step.trouble);
    } else if (!nothing) {
      co_await carry_out(job, recipient, &step, &outcome);
    }
  }
  outcome.for_owner("");
  co_await filter_.release(&outcome);
  // A retry would forward again: only when all else is settled.
  const bool settled =
      outcome.result().outcome != ipc::Outcome::deferred && !nothing;
  if (settled) {
    std::vector<NewMessage> messages = new_messages(plan, job->request.sender);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      NewMessage message = std::move(messages[i]);
      co_await forward(job, recipient, std::move(message), &outcome);
    }
    co_await filter_.release(&outcome);
  }
  co_return outcome.result();
}

Task<> LocalDelivery::carry_out(const Job* job, std::size_t recipient,
                                const Step* step, Outcome* outcome) {
  switch (step->kind) {
    case Kind::store:
      co_await store(job, step, outcome);
      co_return;
    case Kind::file:
      co_await store_file(job, step, outcome);
      co_return;
    case Kind::command:
      co_await command(job, step, outcome);
      co_return;
    case Kind::pass:
      co_await passer_.pass(job, recipient, step, outcome);
      co_return;
    case Kind::discard:
      outcome->sent(step->recipient, step->text, "delivered");
      co_return;
    case Kind::forward:  // once all else is settled
    case Kind::refuse:
      co_return;
  }
}

Task<> LocalDelivery::store(const Job* job, const Step* step,
                            Outcome* outcome) {
  ipc::WorkerRequest who = mailbox_worker(settings_, step->user);
  const std::string path = who.path;
  if (path.empty()) {
    outcome->failed(step->recipient,
                    try_later("2.0", "user " + step->user.name +
                                         " has no home directory for "
                                         "home_mailbox"));
    co_return;
  }
  Result<ipc::StoreRequest> what = store_request(
      settings_, job->request, path, outcome->original(), step->delivered);
  if (!what) {
    outcome->failed(step->recipient, what.trouble());
    co_return;
  }
  if (settings_.require_home) what->required_directory = step->user.home;
  Result<ipc::StoreAnswer> stored =
      co_await workers_.store(std::move(who), std::move(*what));
  if (stored) {
    outcome->sent(step->recipient, stored->text, "delivered");
    if (settings_.biff && !path.ends_with('/'))
      biff_.tell(step->user.name, stored->offset);
    co_return;
  }
  outcome->failed(
      step->recipient,
      with_text(stored.trouble(), mailbox_failure(path, step->user.name,
                                                  stored.trouble().text)));
}

Task<> LocalDelivery::store_file(const Job* job, const Step* step,
                                 Outcome* outcome) {
  const std::string path = step->text;
  // Nothing to write, so nobody to become.
  if (path == "/dev/null") {
    outcome->sent(step->recipient, "delivered to file: " + path, "delivered");
    co_return;
  }
  Result<ipc::StoreRequest> what = store_request(
      settings_, job->request, path, outcome->original(), step->delivered);
  if (!what) {
    outcome->failed(step->recipient, what.trouble());
    co_return;
  }
  what->plain_file = true;
  what->names = step->names;
  ipc::WorkerRequest who;
  who.purpose = "file";
  who.uid = step->user.uid;
  who.gid = step->user.gid;
  who.user = step->user.name;
  who.path = path;
  who.origin = step->origin;
  who.list = step->list;
  Result<ipc::StoreAnswer> stored =
      co_await workers_.store(std::move(who), std::move(*what));
  if (stored) {
    if (!stored->warning.empty()) log_.warning(stored->warning);
    outcome->sent(step->recipient, stored->text, "delivered");
    co_return;
  }
  const std::string why =
      path.ends_with('/') ? "maildir delivery failed: "
                          : "cannot append message to file " + path + ": ";
  outcome->failed(step->recipient, with_text(stored.trouble(),
                                             why + stored.trouble().text));
}

Task<> LocalDelivery::command(const Job* job, const Step* step,
                              Outcome* outcome) {
  Result<ipc::RunRequest> what =
      command_request(settings_, job->request, *step, outcome->original());
  if (!what) {
    outcome->failed(step->recipient, what.trouble());
    co_return;
  }
  ipc::WorkerRequest who = command_runner(*step);
  const Millis limit = answer_limit(settings_.time_limit);
  Result<ipc::RunAnswer> ended =
      co_await workers_.run(std::move(who), std::move(*what), limit);
  if (!ended) {
    outcome->failed(step->recipient, ended.trouble());
    co_return;
  }
  if (ended->timed_out) log_.warning(time_limit_warning);
  const Status verdict = judge_exit(*ended, step->text);
  if (verdict)
    outcome->sent(step->recipient, "delivered to command: " + step->text,
                  "delivered");
  else
    outcome->failed(step->recipient, verdict.trouble(),
                    said_by_program(*ended));
}

Task<> LocalDelivery::forward(const Job* job, std::size_t recipient,
                              NewMessage message, Outcome* outcome) {
  const ipc::DeliverRecipient& who = job->request.recipients[recipient];
  const std::string action =
      message.recipients.size() > 1 ? "expanded" : "relayed";
  Result<std::string> queued =
      co_await forwarder_.forward(&job->request, &who, std::move(message));
  if (queued)
    outcome->sent(who.address, "forwarded as " + *queued, action);
  else
    outcome->failed(who.address, queued.trouble());
}

}  // namespace postern::local
