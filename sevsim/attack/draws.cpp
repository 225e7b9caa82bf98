// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/draws.h"

#include "x86/exit_code.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace vestibule::sevsim::attack {

namespace {

/// MSRs that live in the VMSA: an honest host leaves them alone (x86/vmsa_msrs.h). Those of the
/// GHCB and IA32_XSS are left out: the first stops the CPU that serves #VC, the other an honest
/// host may intercept.
constexpr u64 vmsa_msrs[] = {
    0xC000'0080, 0xC000'0081, 0xC000'0082, 0xC000'0083, 0xC000'0084, 0xC000'0100, 0xC000'0101,
    0xC000'0102, 0x174,       0x175,       0x176,       0xC001'0131, 0x6A0,       0x6A2,
    0x6A4,       0x6A5,       0x6A6,       0x6A7,       0x6A8,
};

constexpr u64 other_exits[] = {0x40, 0x5E, 0x61, 0x75,  0x78,  0x77,  0x7A,        0x7F,       0x8D,
                               0x8E, 0x93, 0xA5, 0x401, 0x402, 0x403, 0x8000'0000, 0xFFFF'FFFF};

u64 draw_exit(Random& random, const Places& places) {
    const u64 way = random.below(8);
    if (way < 3 && !places.exits.empty()) {
        return *std::next(places.exits.begin(),
                          static_cast<std::ptrdiff_t>(random.below(places.exits.size())));
    }
    if (way < 7) {
        return static_cast<u64>(random.pick(x86::exit_names).code);
    }
    return random.one_in(4) ? random.below(0x1'0000) : random.pick(other_exits);
}

/// Vectors whose exception comes with an error code (APM volume 2, table 8-1).
constexpr bool has_error_code(u64 vector) {
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
           || vector == 29 || vector == 30;
}

/// EVENTINJ as VMRUN takes it (section 15.20): an NMI has vector 2, and a hardware exception is
/// one of the first 32 and not that one.
u64 draw_event(Random& random, const Places& places) {
    constexpr u64 valid = u64{1} << 31, with_code = u64{1} << 11;
    constexpr u64 interrupt = 0, nmi = 2, exception = 3, software = 4;
    constexpr u64 rare_types[] = {interrupt, software};
    constexpr u64 vc = 29, nmi_vector = 2,
                  exceptions = 31; // 31 itself is none, and VMRUN refuses it
    constexpr u64 liked[] = {0, 1, 3, 6, 8, 11, 12, 13, 14, 17, 18, 28, 30, 0x20, 0x80, 0xF0, 0xFF};
    const u64 way         = random.below(8);
    u64 vector            = way < 3   ? vc
                            : way < 6 ? random.pick(liked)
                            : way < 7 ? nmi_vector
                                      : random.below(256);
    u64 type              = random.one_in(6) ? random.pick(rare_types) : exception;
    if (vector == nmi_vector) {
        type = random.one_in(4) ? interrupt : nmi;
    } else if (vector >= exceptions) {
        type = random.one_in(6) ? software : interrupt;
    }
    const bool coded = type == exception && has_error_code(vector) != random.one_in(5);
    const u64 code   = vector == vc       ? draw_exit(random, places)
                       : random.one_in(2) ? random.below(0x20)
                                          : random.next() & 0xFFFF'FFFF;
    return valid | (type << 8) | vector | (coded ? with_code | (code << 32) : 0);
}

/// One bit as likely as several.
u64 draw_bits(Random& random, u64 width) {
    const u64 one = u64{1} << random.below(width);
    return random.one_in(2) ? one : one | (random.next() & (~u64{0} >> (64 - width)));
}

/// Fields of the GHCB page (GHCB specification, section 2.1): registers, exit code and information,
/// scratch address, valid bitmap; and the shared buffer.
constexpr u64 field_offsets[]   = {0x1F8, 0x308, 0x310, 0x318, 0x390, 0x398, 0x3A0,
                                   0x3A8, 0x3E8, 0x3F0, 0x3F8, 0x800, 0xFF8};
constexpr u64 verdict_offsets[] = {0x398, 0x3A0, 0x3F0, 0x3F8};

/// The upper half of the valid bitmap, and in it, at 33, RCX, RDX and RBX (a bit for each 8 bytes
/// of the page).
constexpr u64 valid_high = 0x3F8;

u64 draw_registers(Random& random) { return (1 + random.below(7)) << 33; }

u64 draw_field(Random& random) { return random.pick(field_offsets); }

u64 draw_number(Random& random, const Draw& draw, const Places& places) {
    switch (draw.number) {
    case Number::none: return 0;
    case Number::exit_code: return draw_exit(random, places) & 0xFFFF'FFFF;
    case Number::event: return draw_event(random, places);
    case Number::msr: return random.pick(vmsa_msrs);
    case Number::reason: return random.one_in(8) ? random.next() & 0xFFFF'FFFF : random.below(9);
    case Number::page:
        return *std::next(places.pages.begin(),
                          static_cast<std::ptrdiff_t>(random.below(places.pages.size())));
    case Number::item: {
        constexpr u64 items[] = {0x08, 0x0B, 0x11, 0x12, 0x14, 0x15, 0x17, 0x18};
        return random.pick(items);
    }
    case Number::features: return random.one_in(4) ? random.next() & 0xFFFF'FFFF : random.below(64);
    case Number::flips:
        return (random.one_in(2) ? draw_field(random) : random.below(512) * 8) << 52
               | draw_bits(random, 52);
    case Number::verdicts: {
        const u64 offset = random.pick(verdict_offsets);
        const u64 bits   = offset == valid_high && random.one_in(2) ? draw_registers(random)
                           : random.one_in(2)                       ? draw_bits(random, 52)
                                                                    : random.below(8);
        return offset << 52 | bits;
    }
    case Number::value: return random.one_in(2) ? random.next() : random.below(4);
    case Number::bits: return draw_bits(random, 64);
    case Number::leaf:
        return *std::next(places.leaves.begin(),
                          static_cast<std::ptrdiff_t>(random.below(places.leaves.size())))
                   << 32
               | draw_bits(random, 32);
    case Number::shared: return 0;
    case Number::vcpu: return random.below(2);
    case Number::choice: return 1 + random.below(draw.most);
    }
    std::unreachable();
}

const std::vector<Moments>* moments_of(Moment moment, const Places& places) {
    return moment == Moment::vc           ? &places.vcs
           : moment == Moment::vmgexit    ? &places.vmgexits
           : moment == Moment::answer     ? &places.answers
           : moment == Moment::msr_answer ? &places.msr_answers
                                          : nullptr;
}

bool has_moments(const Draw& draw, const Places& places, const std::optional<u64>& number) {
    const std::vector<Moments>* moments = moments_of(draw.moment, places);
    return (moments == nullptr || !moments->empty())
           && (draw.moment != Moment::entry || places.entries != 0)
           && (draw.moment != Moment::kind || !places.exits.empty())
           && (draw.number != Number::leaf || number || !places.leaves.empty())
           && (draw.number != Number::page || number || !places.pages.empty());
}

u64 draw_moment(Random& random, const std::vector<Moments>& moments, bool uniform) {
    if (uniform) {
        u64 count = 0;
        for (const Moments& kind : moments) {
            count += kind.at.size();
        }
        return 1 + random.below(count);
    }
    const Moments& kind = random.pick(moments);
    return random.one_in(2) ? kind.at.front() : random.pick(kind.at);
}

/// Uniform, or as likely in each power of two: what comes once comes early.
u64 draw_entry(Random& random, u64 entries, bool uniform) {
    if (uniform || random.one_in(2)) {
        return 1 + random.below(entries);
    }
    u64 bits = 1;
    while ((entries >> bits) != 0) {
        ++bits;
    }
    return 1 + random.below(std::min(entries, u64{1} << (1 + random.below(bits))));
}

/// Times of what comes a few times, if at all.
constexpr u64 few = 3;

/// Whether it can be told beside the others: what has no moment can be told once.
bool fits(const Lies& plan, const Hostility& lie) {
    const bool is_always = !takes_moment(lies[static_cast<size_t>(lie.lie) - 1].form);
    return plan.size() < most_lies
           && (!is_always || std::ranges::find(plan, lie.lie, &Hostility::lie) == plan.end());
}

/// Another plan that is like this one.
void mutate(Random& random, Lies& plan, const Drawing& drawing, const Places& places,
            const std::vector<Kind>& kinds) {
    const u64 way = random.below(4);
    if (way == 0 && plan.size() > 1) {
        plan.erase(plan.begin() + static_cast<std::ptrdiff_t>(random.below(plan.size())));
        return;
    }
    if (way == 1 && plan.size() < drawing.most) {
        if (const auto lie = draw_lie(random, random.pick(kinds), drawing, places);
            lie && fits(plan, *lie)) {
            plan.push_back(*lie);
        }
        return;
    }
    Hostility& changed = plan[random.below(plan.size())];
    const auto same    = std::ranges::find(kinds, changed.lie, &Kind::lie);
    const auto again =
        draw_lie(random, same != kinds.end() ? *same : Kind{changed.lie, {}}, drawing, places);
    if (!again) {
        return;
    }
    // One of its parameters, mostly: the others are what has reached something.
    switch (random.below(4)) {
    case 0: changed.code = again->code; break;
    case 1: changed.at = again->at; break;
    case 2: changed.within = again->within; break;
    default: changed = *again; break;
    }
}

} // namespace

std::vector<Kind> kinds_for(const Drawing& drawing, const Places& places) {
    std::vector<Kind> kinds;
    const auto add = [&](const Kind& kind) {
        const Draw& draw = draw_of(kind.lie);
        if ((!draw.snp || drawing.snp) && (!drawing.late || !is_told_at_launch(kind.lie))
            && has_moments(draw, places, kind.number)) {
            kinds.push_back(kind);
        }
    };
    for (const Kind& kind : drawing.kinds) {
        add(kind);
    }
    for (const Draw& draw : draws) {
        if (drawing.kinds.empty()) {
            add({.lie = draw.lie, .number = {}});
        }
    }
    return kinds;
}

std::expected<Kind, std::string> kind_of(std::string_view text) {
    const std::string_view name = text.substr(0, text.find(':'));
    const LieDescription* lie   = find_lie(name.data(), name.size());
    if (lie == nullptr) {
        return std::unexpected(fmt::format("no lie is called '{}'", name));
    }
    Kind kind{.lie = lie->lie, .number = {}};
    if (name.size() == text.size()) {
        return kind;
    }
    u64 number                    = 0;
    const std::string_view digits = text.substr(name.size() + 1);
    if (draw_of(kind.lie).number == Number::none
        || !read_number(digits.data(), digits.size(), number)) {
        return std::unexpected(
            fmt::format("'{}': expected a lie's name, or name:number where it has one", text));
    }
    kind.number = number;
    return kind;
}

std::string name_of(const Kind& kind) {
    const char* const name = lies[static_cast<size_t>(kind.lie) - 1].name;
    return kind.number ? fmt::format("{}:{:#x}", name, *kind.number) : name;
}

std::optional<Hostility> draw_lie(Random& random, const Kind& kind, const Drawing& drawing,
                                  const Places& places) {
    const Draw& draw = draw_of(kind.lie);
    if (!has_moments(draw, places, kind.number)) {
        return std::nullopt;
    }
    Hostility told{.lie  = kind.lie,
                   .code = kind.number ? *kind.number : draw_number(random, draw, places)};
    if (draw.moment == Moment::entry) {
        told.at = draw_entry(random, places.entries, drawing.uniform);
    } else if (draw.moment == Moment::kind) {
        told.at = *std::next(places.exits.begin(),
                             static_cast<std::ptrdiff_t>(random.below(places.exits.size())));
    } else if (const std::vector<Moments>* moments = moments_of(draw.moment, places)) {
        told.at = draw_moment(random, *moments, drawing.uniform);
    }
    if (draw.moment == Moment::time) {
        told.at = 1 + random.below(few);
    }
    if (is_within(lies[static_cast<size_t>(kind.lie) - 1].form)) {
        told.within = draw.number == Number::value ? draw_field(random)
                      : draw.most != 0             ? 1 + random.below(draw.most)
                                                   : 1 + random.below(told.at);
    }
    return told;
}

Lies draw_plan(u64 seed, u64 number, const Drawing& drawing, const Places& places) {
    Random random{seed, number};
    const std::vector<Kind> kinds = kinds_for(drawing, places);
    if (kinds.empty()) {
        return {};
    }
    Lies plan;
    if (!drawing.corpus.empty() && random.one_in(2)) {
        plan = random.pick(drawing.corpus);
        for (u64 changes = 1 + random.below(3); changes-- > 0;) {
            mutate(random, plan, drawing, places, kinds);
        }
        return plan;
    }
    // Each lie more is half as likely: what one lie does is found by one.
    const Kind* kind = &kinds[number % kinds.size()];
    do {
        if (const auto lie = draw_lie(random, *kind, drawing, places); lie && fits(plan, *lie)) {
            plan.push_back(*lie);
        }
        kind = &random.pick(kinds);
    } while (plan.empty() || (plan.size() < drawing.most && random.one_in(2)));
    return plan;
}

} // namespace vestibule::sevsim::attack
