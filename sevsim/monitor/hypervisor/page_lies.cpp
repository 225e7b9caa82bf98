// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/page_lies.h"

#include "sevsim/monitor/hypervisor/lies.h"

namespace vestibule::sevsim {

namespace {

/// All fields, with the bitmap that says which of them are valid.
constexpr u64 fields_size = field::bitmap + sizeof(Fields);

struct Answered {
    bool known = false;
    u8 fields[fields_size]{};

    void keep(const u8* page) {
        memcpy(fields, page, fields_size);
        known = true;
    }

    void put(u8* page) {
        if (known) {
            memcpy(page, fields, fields_size);
        }
    }
};

constinit Answered before{}; // the last answer, as it was before lies
constinit Answered late{};   // the one that has not been given

} // namespace

void flip(u8* page, u64 word) {
    constexpr unsigned offset_shift = 52;
    constexpr u64 last              = page_size - sizeof(u64);
    const u64 wanted                = word >> offset_shift;
    u8* const at                    = page + (wanted < last ? wanted : last);
    u64 value                       = 0;
    memcpy(&value, at, sizeof value);
    value ^= word & (bit(offset_shift) - 1);
    memcpy(at, &value, sizeof value);
}

const Event& served_event(const Options& options, const Event& asked) {
    const Hostility* const lie = told_now(options, Lie::answer_of_other);
    const Event* const other   = lie != nullptr ? find_event(lie->code) : nullptr;
    return other != nullptr && (!other->snp || options.is_snp()) ? *other : asked;
}

bool is_served_twice(const Options& options) {
    return told_now(options, Lie::answer_doubled) != nullptr;
}

void lie_about_page(const Options& options, const GhcbView& ghcb, u8* page) {
    if (!options.may_lie()) {
        return;
    }
    Answered honest;
    honest.keep(page);
    if (late.known) {
        late.put(page);
        late.known = false;
    }
    if (told_now(options, Lie::answer_late) != nullptr) {
        late = honest;
        ghcb.put_back(page);
    }
    if (told_now(options, Lie::answer_stale) != nullptr) {
        before.put(page);
    }
    before = honest;
    if (const Hostility* const lie = told_now(options, Lie::field_set)) {
        constexpr u64 end = field::version & ~7;
        const u64 offset  = lie->within < end ? lie->within : end;
        memcpy(page + offset, &lie->code, sizeof lie->code);
        if (offset < field::bitmap) {
            page[field::bitmap + offset / 64] |= static_cast<u8>(1u << (offset / 8 % 8));
        }
    }
    if (const Hostility* const lie = told_now(options, Lie::field_flip)) {
        flip(page, lie->code);
    }
}

u64 told_msr_answer(const Options& options, u64 honest) {
    static constinit u64 last = 0;
    const u64 stale           = last;
    last                      = honest;
    if (told_now(options, Lie::msr_stale) != nullptr) {
        honest = stale;
    }
    const Hostility* const lie = told_now(options, Lie::msr_flip);
    return lie != nullptr ? honest ^ lie->code : honest;
}

} // namespace vestibule::sevsim
