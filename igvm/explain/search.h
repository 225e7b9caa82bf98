// SPDX-License-Identifier: BSD-2-Clause-Patent
// The trying in explain.h. A hypothesis is an arrangement of the launch (causes that alter the plan
// or the steps) with a variation of its VMSAs. What is before the first VMSA is hashed once an
// arrangement, from where it differs from the arrangement before; a VMSA's variation is hashed
// once; and where an arrangement only has more vCPUs than those before it, their chains are drawn
// on. Of a launch that fewer causes make nothing is hashed, and arrangements that are asked for
// without variation have their chains drawn side by side.
#pragma once

#include "igvm/explain/explain.h"
#include "igvm/measure/lanes.h"

#include <map>
#include <mutex>
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

/// The launches that were arranged so far, by all threads, each with the fewest causes that make
/// it.
class KnownLaunches {
  public:
    /// What is the same where two arrangements give the same launch: the digest before the first
    /// VMSA and a hash of what follows, or two hashes of all the steps.
    using Key = std::array<u64, sizeof(Digest384) / sizeof(u64) + 1>;

    /// Whether fewer causes make it; remembers it otherwise.
    bool has_smaller(const Key& key, unsigned count);

  private:
    /// A digest is as good a hash as any.
    struct ByDigest {
        std::size_t operator()(const Key& key) const { return key.front() ^ key.back(); }
    };

    std::mutex mutex_;
    std::unordered_map<Key, unsigned, ByDigest> smallest_;
};

class Search {
  public:
    Search(const Question& question, std::span<const Cause> causes, KnownLaunches& known);

    /// Sets the arrangement; false where there is no such launch, or fewer causes make it.
    bool arrange(const Combination& combination);

    /// Arranges the first of these, which will be arranged next and asked for unvaried, and draws
    /// their chains side by side in the processor's lanes. Returns how many: all off SNP, where it
    /// leaves them as they are.
    u64 foresee(std::span<const Combination> arrangements);

    /// Hashes what matches() will want of these variations in the processor's lanes, their VMSAs
    /// and their chains. It asks for nothing, and does nothing off SNP.
    void draw_ahead(std::span<const Combination> variations, u64 from, u64 to);

    /// Whether the arrangement gives the digest with its VMSAs varied; nothing where the variation
    /// is one of fewer causes.
    std::optional<bool> matches(const Combination& combination, u64 number);

    /// What belongs to a variation is kept by its number; call this before combinations of another
    /// count.
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

    /// A variation's chain through the tails of arrangements that continue each other.
    struct Drawn {
        u64 family; // of such arrangements
        u64 links;
        Chain chain;
    };

    /// Those of a combination that alter the plan.
    using PlanCauses              = std::array<u16, 3>;
    static constexpr u16 no_cause = 0xFFFF;

    /// With the most vCPUs that a cause has, or with as many as the combination says.
    const Launch* launch_for(const Combination& combination, bool with_most);
    bool arrange_steps(const Combination& combination, bool with_most);
    enum class Most : u8 { is_none, is_smaller, is_arranged };
    struct Foreseen;
    [[nodiscard]] const Foreseen* foreseen(const Combination& causes, bool with_most);
    void arrange_ahead(const Combination& causes, bool with_most);
    void draw_foreseen();
    Most arrange_most(const Combination& rest);
    Most arrange_unlike(const Combination& combination);
    [[nodiscard]] bool ends_in_all_vmsas() const;
    [[nodiscard]] KnownLaunches::Key key_of_steps();
    [[nodiscard]] KnownLaunches::Key signature() const;
    void draw_head();
    void note_tail(u64 visible);
    void add_varied(Chain& chain, u64 at, const Combination& combination, u64 number);
    const Digest384& contents(const Step& step);
    [[nodiscard]] bool is_in_file(const Step& step) const;
    Vcpu& vcpu_of(const Step& step);
    void note_alterations();
    [[nodiscard]] bool is_idle(u16 number) const;
    bool is_idle(const Combination& combination);
    std::optional<Digest384>& digest_of(Vcpu& vcpu, u64 number) const;
    void hash_vmsas(std::span<const Combination> variations, std::span<const u64> numbers);
    void draw_tails(std::span<const u64> numbers);
    Drawn& end_of(u64 number);
    using Page = std::array<u8, sizeof(x86::Vmsa)>;
    [[nodiscard]] Page varied(const Vcpu& vcpu, const Combination& combination) const;

    const Question& question_;
    std::span<const Cause> causes_;
    KnownLaunches& known_;

    /// Neighbours often alter the plan in the same way, so that one launch serves them all.
    std::map<std::pair<PlanCauses, bool>, std::optional<Launch>> launches_; // none: there is none
    u64 steps_kept_ = 0;                                                    // in all of them
    PlatformType platform_{};
    std::vector<Step> steps_;
    u64 first_vmsa_ = 0;
    std::vector<Step> drawn_;   // the steps through which chains_ has been drawn
    std::vector<Chain> chains_; // before each of them, and behind the last

    std::unordered_map<const u8*, Digest384> contents_; // of pages of the file
    Digest384 other_contents_{};
    std::map<std::pair<Digest384, bool>, Vcpu> vcpus_;
    /// By where launches_ have their pages, as another vCPU's and as the first's.
    std::unordered_map<const u8*, std::array<Vcpu*, 2>> known_vcpus_;
    Vcpu* last_vcpu_ = nullptr;

    /// A step from the first VMSA on.
    struct Tail {
        Vcpu* vcpu; // null where it is no VMSA
        PageType type;
        u64 gpa;
        u64 pages;
        Digest384 contents; // where it is none; off SNP only to tell it from others

        bool operator==(const Tail&) const = default;
    };

    /// What each cause alters in the arrangement: something in vCPU 0, something in the others.
    struct Altered {
        bool is_noted = false;
        bool has_first; // there are such VMSAs
        bool has_others;
        std::vector<bool> first; // each cause
        std::vector<bool> others;
    };

    Altered altered_;
    /// Counts of vCPUs are most of all arrangements, and alter the tail alone: where the launch
    /// with the most ends in all their VMSAs, it is made once, and those with fewer are its
    /// beginning.
    u32 most_vcpus_ = 0;
    std::optional<Combination> most_; // asked for last,
    Most most_is_{};                  // and what came of it

    struct Foreseen {
        Combination causes;
        bool with_most; // vCPUs: it serves each count of them
        Most is;
        std::vector<u8> head;
        std::vector<Tail> tail;
        Chain chain;
        std::vector<Chain> chains; // with_most: before each step of the tail, and behind the last
    };

    std::vector<Foreseen> foreseen_;
    u64 reached_             = 0;       // of it
    const Foreseen* current_ = nullptr; // of which the arrangement is, none most often
    std::vector<Tail> tail_;
    u64 visible_ = 0;                        // of it
    std::vector<Tail> tail_before_;          // of the arrangement before
    std::vector<u8> head_;                   // the digest before the first VMSA
    u64 family_ = 0;                         // of arrangements whose tails continue each other
    std::vector<std::optional<Drawn>> ends_; // of each variation
    u64 numbers_ = 0;
    Lanes lanes_;
    std::vector<Page> pages_;        // that lanes_ are hashing,
    std::vector<Chain::Link> links_; // and these
    std::vector<Digest384> hashed_;
};

} // namespace vestibule::igvm
