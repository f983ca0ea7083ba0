#include "conntrack/event_filter.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <utility>

#include "conntrack/protocol.h"

namespace conntrack {

namespace {

constexpr uint32_t kFamilyOffset = NLMSG_HDRLEN;  // nfgen_family
constexpr uint32_t kAttributes = NLMSG_HDRLEN + sizeof(nfgenmsg);
constexpr uint32_t kAccept = 0xffffffff;

sock_filter Statement(uint16_t code, uint32_t value) { return {code, 0, 0, value}; }

class Program {
 public:
  void Add(uint16_t code, uint32_t value) { code_.push_back(Statement(code, value)); }
  void RejectUnless(uint32_t value) {
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value});
    Add(BPF_RET | BPF_K, 0);
  }
  // Sets A to the offset of attribute `type`, searching from offset A; 0 if it is absent.
  void Find(uint16_t type, bool nested) {
    Add(BPF_LDX | BPF_IMM, type);
    Add(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + (nested ? SKF_AD_NLATTR_NEST : SKF_AD_NLATTR));
  }
  void AcceptIfZero() {
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0});
    Add(BPF_RET | BPF_K, kAccept);
  }
  void RejectIfZero() {
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0});
    Add(BPF_RET | BPF_K, 0);
  }
  std::vector<sock_filter> Take() {
    Add(BPF_RET | BPF_K, kAccept);
    return std::move(code_);
  }
  // Sets A to the value of the attribute at offset A; `size` is BPF_B or BPF_W.
  void LoadValue(uint16_t size) {
    Add(BPF_MISC | BPF_TAX, 0);
    Add(BPF_LD | size | BPF_IND, NLA_HDRLEN);
  }

 private:
  std::vector<sock_filter> code_;
};

}  // namespace

std::vector<sock_filter> EventFilter(const Filter& filter) {
  const bool family = (filter.present & kFamily) != 0;
  const bool protocol = (filter.original.tuple.present & kHasProtocol) != 0;
  const bool mark = (filter.present & kMark) != 0;
  if (filter.here_only != 0 || (!family && !protocol && !mark)) return {};
  Program program;
  if (family) {
    program.Add(BPF_LD | BPF_B | BPF_ABS, kFamilyOffset);
    program.RejectUnless(filter.family);
  }
  if (protocol) {
    // Accepts an event without these attributes: Matches() decides later.
    program.Add(BPF_LD | BPF_IMM, kAttributes);
    program.Find(attr::kTupleOriginal, false);
    program.AcceptIfZero();
    program.Find(tuple_attr::kProtocol, true);
    program.AcceptIfZero();
    program.Find(proto_attr::kNumber, true);
    program.AcceptIfZero();
    program.LoadValue(BPF_B);
    program.RejectUnless(filter.original.tuple.protocol);
  }
  if (mark) {
    program.Add(BPF_LD | BPF_IMM, kAttributes);
    program.Find(attr::kMark, false);
    // The kernel leaves out a mark of 0.
    if ((filter.mark & filter.mark_mask) == 0) {
      program.AcceptIfZero();
    } else {
      program.RejectIfZero();
    }
    program.LoadValue(BPF_W);
    program.Add(BPF_ALU | BPF_AND | BPF_K, filter.mark_mask);
    program.RejectUnless(filter.mark & filter.mark_mask);
  }
  return program.Take();
}

}  // namespace conntrack
