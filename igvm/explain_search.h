// The trying in explain.h. A hypothesis is an arrangement of the launch (causes that alter the plan
// or the steps) with a variation of its VMSAs. What is before the first VMSA is hashed once an
// arrangement, from where it differs from the arrangement before; a VMSA's variation is hashed
// once; so a hypothesis costs little more than the links of its VMSAs.
#pragma once

#include "igvm/explain.h"

#include <map>
#include <unordered_map>

namespace vestibule::igvm {

/// Up to three causes, as indexes.
struct Combination {
    std::array<u16, 3> causes;
    unsigned count;

    [[nodiscard]] std::span<const u16> span() const { return std::span(causes).first(count); }
};

/// Every combination of `count` of these causes in which no two are of one group.
std::vector<Combination> combinations(std::span<const Cause> causes,
                                      std::span<const u16> candidates, unsigned count);

class Search {
  public:
    Search(const Question& question, std::span<const Cause> causes)
        : question_(question), causes_(causes) {}

    /// Sets the arrangement; false where there is no such launch.
    bool arrange(const Combination& combination);

    /// Something that is the same where two arrangements give the same launch.
    [[nodiscard]] std::string signature() const;

    /// Whether the arrangement gives the digest with its VMSAs varied; nothing where the variation
    /// is one of fewer causes.
    std::optional<bool> matches(const Combination& combination, u64 number);

    /// Digests of varied VMSAs are kept by number; call this before combinations of another count.
    void forget_numbers(u64 count);

    [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

  private:
    /// A VMSA of the arrangement, as it is varied.
    struct Vcpu {
        x86::Vmsa vmsa;
        u64 id; // by which signature() tells it from others
        bool first;
        std::vector<bool> altered_by; // each cause
        std::vector<std::optional<Digest384>> digests;
    };

    const Digest384& contents(const Step& step);
    [[nodiscard]] bool is_in_file(const Step& step) const;
    Vcpu& vcpu_of(const Step& step);
    [[nodiscard]] x86::Vmsa varied(const Vcpu& vcpu, const Combination& combination) const;

    const Question& question_;
    std::span<const Cause> causes_;

    Launch launch_;
    std::vector<Step> steps_;
    u64 first_vmsa_ = 0;
    std::vector<Step> drawn_;   // the steps through which chains_ has been drawn
    std::vector<Chain> chains_; // before each of them, and behind the last

    std::unordered_map<const u8*, Digest384> contents_; // of pages of the file
    Digest384 other_contents_{};
    std::map<std::pair<Digest384, bool>, Vcpu> vcpus_;
    std::vector<Vcpu*> tail_; // of each step from the first VMSA on; null where it is none
    std::vector<Digest384> tail_contents_;
    u64 numbers_ = 0;
};

} // namespace vestibule::igvm
