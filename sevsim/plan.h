// SPDX-License-Identifier: BSD-2-Clause-Patent
// A plan: what a hostile hypervisor does in one run, several lies of sevsim/lies.h together. And
// the text that plans are written in (`sevsim run --plan FILE`, `--plans FILE`):
//
//   # What stands behind a number sign is for people; blank lines are too.
//   vc:0x72@20
//   nmi@31
//   ---
//   answer-again
//
// One lie a line, as `--hostile` has it, from the line's first character to its last. A line of
// three dashes ends a plan; the last plan need not have one. A plan without a lie is an honest
// hypervisor: at the end of a text it is one only where the dashes are there. Freestanding, since
// the monitor reads it too.
#pragma once

#include "sevsim/lies.h"
#include "x86/types.h"

namespace vestibule::sevsim {

/// In one plan. The monitor has room for so many.
inline constexpr size_t most_lies = 16;

/// The lies of one run, in the order in which they were asked for.
struct Plan {
    Hostility told[most_lies]{};
    size_t count = 0;

    constexpr const Hostility* begin() const { return told; }

    constexpr const Hostility* end() const { return told + count; }

    constexpr bool is_honest() const { return count == 0; }

    /// The first one of this kind, or nullptr.
    constexpr const Hostility* find(Lie lie) const {
        for (const Hostility& one : *this) {
            if (one.lie == lie) {
                return &one;
            }
        }
        return nullptr;
    }

    constexpr bool has(Lie lie) const { return find(lie) != nullptr; }

    /// nullptr, or why it cannot be told beside those that are there.
    constexpr const char* add(const Hostility& one) {
        // Of a lie without a moment the second would change nothing, or the first.
        const LieForm form   = lies[static_cast<size_t>(one.lie) - 1].form;
        const bool is_always = form == LieForm::plain || form == LieForm::code;
        if (is_always && has(one.lie)) {
            return "this lie is told already";
        }
        if (count == most_lies) {
            return "more than 16 lies in one run";
        }
        told[count++] = one;
        return nullptr;
    }
};

/// Reads one plan after the other out of a text, which must live as long.
class PlanReader {
  public:
    constexpr PlanReader(const char* text, size_t length) : text_{text}, length_{length} {}

    /// The next plan; false where there is none any more, or something is wrong.
    constexpr bool next(Plan& plan) {
        plan           = Plan{};
        bool has_lines = false;
        while (at_ < length_ && wrong_ == nullptr) {
            const char* const begin = text_ + at_;
            size_t size             = 0;
            while (at_ + size < length_ && begin[size] != '\n') {
                ++size;
            }
            at_ += size + 1;
            ++line_;
            if (size == 3 && begin[0] == '-' && begin[1] == '-' && begin[2] == '-') {
                ++separators_;
                return true;
            }
            if (size == 0 || begin[0] == '#') {
                continue;
            }
            Hostility one;
            has_lines = true;
            wrong_    = read_hostility(begin, size, one);
            if (wrong_ == nullptr) {
                wrong_ = plan.add(one);
            }
        }
        return has_lines && wrong_ == nullptr;
    }

    /// What is wrong with the line that was read last; nullptr where nothing is.
    constexpr const char* wrong() const { return wrong_; }

    /// The number of that line, from 1 on.
    constexpr size_t line() const { return line_; }

    /// How many lines of dashes there were.
    constexpr size_t separators() const { return separators_; }

  private:
    const char* text_;
    size_t length_;
    size_t at_         = 0;
    size_t line_       = 0;
    size_t separators_ = 0;
    const char* wrong_ = nullptr;
};

} // namespace vestibule::sevsim
