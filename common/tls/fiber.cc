#include "common/tls/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/panic.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define POSTERN_TELL_SANITIZER 1
#else
#define POSTERN_TELL_SANITIZER 0
#endif

namespace postern::tls {
namespace {

// Address space, not memory: only what is used is ever there. OpenSSL's own
// jobs make do with 32 KiB.
constexpr std::size_t stack_size = 256 * 1024;
// Stacks that are kept for the next handshakes.
constexpr std::size_t most_idle = 8;

}  // namespace

struct Fiber::Stack {
  Stack() {
    page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* at = ::mmap(nullptr, stack_size + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(at != MAP_FAILED, "no memory for a handshake's stack");
    memory = static_cast<char*>(at);
    require(::mprotect(memory, page, PROT_NONE) == 0,
            "no guard page for a handshake's stack");
  }
  ~Stack() { ::munmap(memory, stack_size + page); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  char* base() const { return memory + page; }

  char* memory = nullptr;
  std::size_t page = 0;
  ucontext_t inside{}, outside{};
  // For AddressSanitizer alone.
  void* fake_inside = nullptr;
  void* fake_outside = nullptr;
  const void* outside_base = nullptr;
  std::size_t outside_size = 0;
};

namespace {

thread_local Fiber* running = nullptr;

}  // namespace

// Stacks of this thread that no fiber uses.
std::vector<std::unique_ptr<Fiber::Stack>>& Fiber::idle_stacks() {
  thread_local std::vector<std::unique_ptr<Fiber::Stack>> stacks;
  return stacks;
}

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  auto& idle = idle_stacks();
  if (idle.empty()) {
    stack_ = std::make_unique<Stack>();
  } else {
    stack_ = std::move(idle.back());
    idle.pop_back();
  }
}

Fiber::~Fiber() {
  abandoned_ = true;
  while (started_ && !ended_) enter();
  auto& idle = idle_stacks();
  if (idle.size() < most_idle) idle.push_back(std::move(stack_));
}

void Fiber::start() {
  Fiber* self = running;
#if POSTERN_TELL_SANITIZER
  __sanitizer_finish_switch_fiber(nullptr, &self->stack_->outside_base,
                                  &self->stack_->outside_size);
#endif
  self->body_();
  self->ended_ = true;
  self->leave();
}

void Fiber::enter() {
  require(running == nullptr, "a handshake inside a handshake");
  running = this;
#if POSTERN_TELL_SANITIZER
  __sanitizer_start_switch_fiber(&stack_->fake_outside, stack_->base(),
                                 stack_size);
#endif
  if (!started_) {
    started_ = true;
    ::getcontext(&stack_->inside);
    stack_->inside.uc_stack.ss_sp = stack_->base();
    stack_->inside.uc_stack.ss_size = stack_size;
    stack_->inside.uc_link = nullptr;
    ::makecontext(&stack_->inside, &Fiber::start, 0);
  }
  ::swapcontext(&stack_->outside, &stack_->inside);
#if POSTERN_TELL_SANITIZER
  __sanitizer_finish_switch_fiber(stack_->fake_outside, nullptr, nullptr);
#endif
  running = nullptr;
}

void Fiber::leave() {
#if POSTERN_TELL_SANITIZER
  __sanitizer_start_switch_fiber(ended_ ? nullptr : &stack_->fake_inside,
                                 stack_->outside_base, stack_->outside_size);
#endif
  ::swapcontext(&stack_->inside, &stack_->outside);
#if POSTERN_TELL_SANITIZER
  __sanitizer_finish_switch_fiber(stack_->fake_inside, &stack_->outside_base,
                                  &stack_->outside_size);
#endif
}

Errand* Fiber::go_on() {
  require(!ended_, "a call that has ended cannot go on");
  errand_ = nullptr;
  enter();
  return ended_ ? nullptr : errand_;
}

bool Fiber::ask(Errand& errand) {
  Fiber* self = running;
  if (self == nullptr || self->abandoned_) return false;
  self->errand_ = &errand;
  self->leave();
  return !self->abandoned_;
}

}  // namespace postern::tls
