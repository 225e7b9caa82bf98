// See vmsa_solver.h.
#include "igvm/explain/vmsa_solver.h"

#include "igvm/format/context_fields.h"

#include <algorithm>
#include <cstring>

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

/// What a kernel may have made of a word.
std::vector<u64> guesses(const Word& word, const VmsaRiddle& riddle) {
    constexpr u64 halves[]  = {0xFFFF'FFFF, 0xFFFF, 0xFFF, 0xFF, 0xFFFF'FFFF'FFFF};
    const u64 mask          = mask_of(word.size);
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
    // Or another's place, as QEMU gives TR the base of LDTR.
    for (const Word& other : words()) {
        values.push_back(word_of(riddle.given, other.offset));
    }
    for (u64& value : values) {
        value &= mask;
    }
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
    std::erase(values, predicted);
    return values;
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
    const x86::Vmsa& predicted     = riddle.predicted;
    const std::optional<u64> focus = riddle.focus;
    if (matches(predicted)) {
        return std::vector<VmsaWord>{};
    }
    const auto guesses_at = [&](const Word& word) { return guesses(word, riddle); };
    const auto try_word = [&](const x86::Vmsa& base, const Word& word) -> std::optional<VmsaWord> {
        for (const u64 value : guesses_at(word)) {
            x86::Vmsa guess = base;
            set_word(guess, word.offset, value);
            if (matches(guess)) {
                return VmsaWord{.offset = word.offset, .value = value};
            }
        }
        return std::nullopt;
    };
    // The word that is asked for first: most often it is the one.
    if (focus) {
        if (const auto found = try_word(predicted, word_at(*focus))) {
            return std::vector{*found};
        }
    }
    for (const Word& word : words()) {
        if (const auto found = try_word(predicted, word)) {
            return std::vector{*found};
        }
    }
    for (const Word& first : words()) {
        const bool is_first = focus ? first.offset == *focus : is_control(first);
        if (!is_first) {
            continue;
        }
        for (const u64 value : guesses_at(first)) {
            x86::Vmsa base = predicted;
            set_word(base, first.offset, value);
            for (const Word& second : words()) {
                if (!is_control(second) || second.offset == first.offset
                    || (!focus && second.offset < first.offset)) {
                    continue;
                }
                if (const auto found = try_word(base, second)) {
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

} // namespace vestibule::igvm
