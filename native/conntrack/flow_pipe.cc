#include "conntrack/flow_pipe.h"

#include <cerrno>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace conntrack {

using netlink::Failure;
using netlink::Strand;

namespace {

constexpr size_t kAhead = 3;

// One turn of the receiver.
struct Received {
  RawPiece piece;
  Failure failure;
  bool ended = false;
};

}  // namespace

// Fills pieces in a strand of its own, until there is no empty one.
class FlowPipe::Receiver : public std::enable_shared_from_this<Receiver> {
 public:
  Receiver(Strand& consumer, RawDump dump)
      : consumer_(consumer.shared_from_this()), strand_(Strand::Create(consumer.pool())), dump_(std::move(dump)) {}

  void Start(std::weak_ptr<FlowPipe> pipe) {
    pipe_ = std::move(pipe);
    Continue();
  }

  // Returns nothing if nothing was received; then the pipe's Deliver() is called later.
  std::optional<Received> Take() {
    const std::lock_guard lock(mutex_);
    wanted_ = full_.empty();
    if (wanted_) return std::nullopt;
    Received received = std::move(full_.front());
    full_.pop_front();
    decoding_ = true;
    return received;
  }

  // Takes back the piece of which `batch` was decoded.
  void GiveBack(RawPiece piece, const FlowBatch& batch) {
    {
      const std::lock_guard lock(mutex_);
      decoding_ = false;
      attempts_.HandOut(batch);
      empty_.push_back(std::move(piece));
      if (running_ || ended_) return;
      running_ = true;
    }
    Continue();
  }

  void Restart() {
    {
      const std::lock_guard turn(turn_);
      if (dump_) dump_->Restart();
    }
    {
      const std::lock_guard lock(mutex_);
      attempts_ = {};
      Drop();
      ended_ = false;
      if (std::exchange(running_, true)) return;
    }
    Continue();
  }

  // Waits for the turn that runs, and closes the socket.
  void Close() {
    const std::lock_guard turn(turn_);
    dump_.reset();
  }

 private:
  // Call it with mutex_ held.
  void Drop() {
    for (Received& received : full_) empty_.push_back(std::move(received.piece));
    full_.clear();
  }

  void Continue() {
    strand_->Post([self = shared_from_this()] { self->Run(); });
  }

  void Run() {
    const std::lock_guard turn(turn_);
    if (!dump_) return;
    Received received;
    {
      const std::lock_guard lock(mutex_);
      running_ = !empty_.empty();
      if (!running_) return;
      received.piece = std::move(empty_.back());
      empty_.pop_back();
    }
    received.failure = dump_->Fill(received.piece);
    const std::lock_guard lock(mutex_);
    if (received.failure && !decoding_ && attempts_.Again(*dump_)) {
      dump_->Restart();
      received.failure = {};
      Drop();
    }
    ended_ = received.ended = dump_->ended();
    full_.push_back(std::move(received));
    if (std::exchange(wanted_, false)) {
      consumer_->Post([pipe = pipe_] {
        if (const auto self = pipe.lock()) self->Deliver();
      });
    }
    running_ = !ended_ && !empty_.empty();
    if (running_) Continue();
  }

  const std::shared_ptr<Strand> consumer_;
  const std::shared_ptr<Strand> strand_;
  std::weak_ptr<FlowPipe> pipe_;

  std::mutex turn_;              // held for a whole turn, so taken before mutex_
  std::optional<RawDump> dump_;  // guarded by turn_; empty: closed

  std::mutex mutex_;  // guards the following
  Attempts attempts_;
  std::deque<Received> full_;
  std::vector<RawPiece> empty_ = std::vector<RawPiece>(kAhead);
  bool decoding_ = false;  // the pipe has taken a piece
  bool wanted_ = false;    // the pipe waits for a piece
  bool running_ = true;    // Run() is queued, or runs
  bool ended_ = false;
};

std::shared_ptr<FlowPipe> FlowPipe::Open(Strand& strand, RawDump dump, const FlowReader& reader) {
  std::shared_ptr<FlowPipe> pipe(new FlowPipe(strand, std::move(dump), reader));
  pipe->receiver_->Start(pipe);
  return pipe;
}

FlowPipe::FlowPipe(Strand& strand, RawDump dump, const FlowReader& reader)
    : receiver_(std::make_shared<Receiver>(strand, std::move(dump))), reader_(reader) {}

FlowPipe::~FlowPipe() {
  receiver_->Close();
  if (waiting_) waiting_(Failure{ECANCELED, ""});
}

void FlowPipe::Next(FlowBatch batch, Done done) {
  if (waiting_) return done(Failure{EBUSY, "somebody waits already"});
  batch_ = std::move(batch);
  waiting_ = std::move(done);
  Deliver();
}

void FlowPipe::Deliver() {
  if (!waiting_) return;
  batch_.Clear();
  if (!ended_) {
    auto received = receiver_->Take();
    if (!received) return;
    Failure failure = std::move(received->failure);
    if (!failure) failure = reader_.Read(received->piece.messages(), batch_);
    ended_ = received->ended || failure;
    receiver_->GiveBack(std::move(received->piece), batch_);
    if (failure) return std::exchange(waiting_, nullptr)(std::move(failure));
  }
  std::exchange(waiting_, nullptr)(std::move(batch_));
}

void FlowPipe::Restart() {
  ended_ = false;
  receiver_->Restart();
}

}  // namespace conntrack
