// SPDX-License-Identifier: BSD-2-Clause-Patent
// See vmsa_solver.h.
#include "igvm/explain/vmsa_solver.h"

#include "igvm/format/context_fields.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace vestibule::igvm {

namespace {
using Page = std::array<u8, sizeof(x86::Vmsa)>;

/// FPU registers and what is behind them are not solved for bit by bit: nobody sets them.
constexpr u64 solved_to = offsetof(x86::Vmsa, fpreg_x87);

Page page_of(const x86::Vmsa& vmsa) {
    Page page;
    std::memcpy(page.data(), &vmsa, page.size());
    return page;
}

struct Word {
    u64 offset;
    u64 size;
};

const std::vector<Word>& words() {
    static const std::vector<Word> all = [] {
        std::vector<Word> result;
        const Page page{};
        for (const ContextValue& value : context_values(ContextKind::vmsa, page)) {
            if (value.offset < solved_to) {
                result.push_back({.offset = value.offset, .size = 0});
            }
        }
        std::ranges::sort(result, {}, &Word::offset);
        for (u64 i = 0; i < result.size(); ++i) {
            const u64 end  = i + 1 < result.size() ? result[i + 1].offset : solved_to;
            result[i].size = std::min<u64>(end - result[i].offset, sizeof(u64));
        }
        return result;
    }();
    return all;
}

const Word& word_at(u64 offset) { return *std::ranges::find(words(), offset, &Word::offset); }

u64 mask_of(u64 size) { return size == sizeof(u64) ? ~u64{0} : (u64{1} << (8 * size)) - 1; }

/// Each once, and in this order.
std::vector<u64> distinct(std::vector<u64> values, const Word& word, const VmsaRiddle& riddle) {
    std::unordered_set<u64> seen = {word_of(riddle.predicted, word.offset)};
    std::erase_if(values, [&](u64& value) {
        value &= mask_of(word.size);
        return !seen.insert(value).second;
    });
    return values;
}

/// What a kernel may have made of a word, the likely values first.
std::vector<u64> guesses(const Word& word, const VmsaRiddle& riddle) {
    constexpr u64 halves[]  = {0xFFFF'FFFF, 0xFFFF, 0xFFF, 0xFF, 0xFFFF'FFFF'FFFF};
    const u64 predicted     = word_of(riddle.predicted, word.offset);
    const u64 given         = word_of(riddle.given, word.offset);
    std::vector<u64> values = {given, 0, word_of(riddle.untouched, word.offset)};
    for (const u64 half : halves) {
        values.push_back(given & half);
        values.push_back(given & ~half);
    }
    for (unsigned bit = 0; bit < 8 * word.size; ++bit) {
        values.push_back(predicted ^ u64{1} << bit);
        values.push_back(given ^ u64{1} << bit);
    }
    return distinct(std::move(values), word, riddle);
}

/// Or it has been put into another's place, as QEMU gives TR the base of LDTR.
std::vector<u64> values_of_others(const Word& word, const VmsaRiddle& riddle) {
    std::vector<u64> values;
    for (const Word& other : words()) {
        values.push_back(word_of(riddle.given, other.offset));
    }
    return distinct(std::move(values), word, riddle);
}

/// The words that kernels are known to force something into, for guesses of two at a time.
bool is_control(const Word& word) {
    constexpr u64 registers[] = {
        offsetof(x86::Vmsa, cpl),  offsetof(x86::Vmsa, vmpl),  offsetof(x86::Vmsa, efer),
        offsetof(x86::Vmsa, cr0),  offsetof(x86::Vmsa, cr3),   offsetof(x86::Vmsa, cr4),
        offsetof(x86::Vmsa, dr6),  offsetof(x86::Vmsa, dr7),   offsetof(x86::Vmsa, rflags),
        offsetof(x86::Vmsa, xcr0), offsetof(x86::Vmsa, xss),   offsetof(x86::Vmsa, sev_features),
        offsetof(x86::Vmsa, rdx),  offsetof(x86::Vmsa, mxcsr), offsetof(x86::Vmsa, x87_fcw),
        offsetof(x86::Vmsa, g_pat)};
    const bool is_segment = word.offset < offsetof(x86::Vmsa, pl0_ssp);
    const bool is_attribute =
        is_segment && word.offset % sizeof(x86::Segment) == offsetof(x86::Segment, attributes);
    return is_attribute || std::ranges::count(registers, word.offset) != 0;
}

class Solver {
  public:
    Solver(const VmsaRiddle& riddle, const VmsaMatch& matches)
        : riddle_(riddle), matches_(matches) {}

    std::optional<std::vector<VmsaWord>> solve() {
        if (is_right(riddle_.predicted)) {
            return std::vector<VmsaWord>{};
        }
        if (const auto found = one()) {
            return std::vector{*found};
        }
        return two();
    }

  private:
    bool is_right(const x86::Vmsa& guess) {
        ++tried_;
        return matches_(guess);
    }

    [[nodiscard]] bool is_over() const { return tried_ >= riddle_.most_guesses; }

    std::optional<VmsaWord> try_word(const x86::Vmsa& base, const Word& word,
                                     const std::vector<u64>& values) {
        for (const u64 value : values) {
            if (is_over()) {
                break;
            }
            x86::Vmsa guess = base;
            set_word(guess, word.offset, value);
            if (is_right(guess)) {
                return VmsaWord{.offset = word.offset, .value = value};
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::vector<u64> all_guesses(const Word& word) const {
        std::vector<u64> values = guesses(word, riddle_);
        std::ranges::copy(values_of_others(word, riddle_), std::back_inserter(values));
        return distinct(std::move(values), word, riddle_);
    }

    /// The word that is asked for, then those that kernels alter, then the others.
    std::optional<VmsaWord> one() {
        std::vector<const Word*> order;
        for (const Word& word : words()) {
            order.push_back(&word);
        }
        std::ranges::sort(order, {}, [&](const Word* word) {
            const int rank = word->offset == riddle_.focus ? 0 : is_control(*word) ? 1 : 2;
            return std::pair(rank, word->offset);
        });
        for (const auto values_of : {guesses, values_of_others}) {
            for (const Word* word : order) {
                if (const auto found =
                        try_word(riddle_.predicted, *word, values_of(*word, riddle_))) {
                    return found;
                }
            }
        }
        return std::nullopt;
    }

    std::optional<std::vector<VmsaWord>> two() {
        const auto& focus = riddle_.focus;
        for (const Word& first : words()) {
            if (focus ? first.offset != *focus : !is_control(first)) {
                continue;
            }
            for (const u64 value : all_guesses(first)) {
                x86::Vmsa base = riddle_.predicted;
                set_word(base, first.offset, value);
                for (const Word& second : words()) {
                    if (!is_control(second) || second.offset == first.offset
                        || (!focus && second.offset < first.offset)) {
                        continue;
                    }
                    if (is_over()) {
                        return std::nullopt;
                    }
                    if (const auto found = try_word(base, second, all_guesses(second))) {
                        return std::vector{
                            VmsaWord{.offset = first.offset, .value = value},
                            *found
                        };
                    }
                }
            }
        }
        return std::nullopt;
    }

    const VmsaRiddle& riddle_;
    const VmsaMatch& matches_;
    u64 tried_ = 0;
};
} // namespace

u64 word_of(const x86::Vmsa& vmsa, u64 offset) {
    const Page page = page_of(vmsa);
    u64 value       = 0;
    std::memcpy(&value, page.data() + offset, word_at(offset).size);
    return value;
}

void set_word(x86::Vmsa& vmsa, u64 offset, u64 value) {
    Page page = page_of(vmsa);
    std::memcpy(page.data() + offset, &value, word_at(offset).size);
    std::memcpy(&vmsa, page.data(), page.size());
}

std::optional<std::vector<VmsaWord>> solve_vmsa(const VmsaRiddle& riddle,
                                                const VmsaMatch& matches) {
    return Solver(riddle, matches).solve();
}

} // namespace vestibule::igvm
