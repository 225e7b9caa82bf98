// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/leaks.h"

#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/cpu.h"
#include "x86/registers.h"

#include <algorithm>
#include <span>

namespace vestibule::sevsim::leaks {

namespace {

constexpr unsigned register_count = 16;

struct Registers {
    bool known = false;
    u64 values[register_count]{};
};

constinit Registers interrupted[most_vcpus]{};

/// The page that was served last, as it was left.
constinit u64 known_gpa = ~u64{0};
constinit u8 known[page_size]{};

/// Fields that the hypervisor has seen before, by what they held. A handler that is interrupted has
/// the page put back as it was, with what had been there from older calls. The table forgets, by
/// and by: of a slot, all but the last two.
class SeenFields {
  public:
    void add(u64 offset, u64 value) {
        Slot& own = slot(offset, value);
        if (own.last != key(offset, value)) {
            own.before = own.last;
            own.last   = key(offset, value);
        }
    }

    bool has(u64 offset, u64 value) {
        const Slot& own = slot(offset, value);
        return own.last == key(offset, value) || own.before == key(offset, value);
    }

  private:
    static constexpr unsigned index_bits = 13;

    struct Slot {
        u64 last, before;
    };

    static u64 key(u64 offset, u64 value) { return (value ^ offset << 48) + 1; }

    Slot& slot(u64 offset, u64 value) {
        constexpr u64 multiplier = 0x9E37'79B9'7F4A'7C15; // Fibonacci hashing
        return slots_[((value * multiplier) ^ offset * multiplier) >> (64 - index_bits)];
    }

    Slot slots_[1u << index_bits]{};
};

constinit SeenFields seen{};

/// A field that was there to be read, and may be that of a call that is not over: an NMI or another
/// #VC has come between filling in and VMGEXIT. Then that call shows it by right, soon.
struct Suspicion {
    u64 offset;
    u64 value;
    const char* name; // nullptr: none
    u64 rip;
    u64 call;
};

constinit Suspicion suspicions[16]{};
constinit unsigned open = 0; // of these
constinit u64 calls     = 0;

void suspect(Vcpu& vcpu, u64 offset, u64 value, const char* name) {
    Suspicion* place = nullptr;
    for (Suspicion& one : suspicions) {
        if (one.name != nullptr && one.offset == offset && one.value == value) {
            return;
        }
        place = one.name == nullptr ? &one : place;
    }
    if (place == nullptr) {
        report_violation(Rule::leak_field, name);
        return;
    }
    ++open;
    *place = {
        .offset = offset, .value = value, .name = name, .rip = vcpu.state().rip, .call = calls};
}

/// It is shown by right.
void acquit(u64 offset, u64 value) {
    if (open == 0) {
        return;
    }
    for (Suspicion& one : suspicions) {
        if (one.name != nullptr && one.offset == offset && one.value == value) {
            --open;
            one.name = nullptr;
        }
    }
}

bool is_flooded(const Options& options) {
    return options.hostile.has(Lie::storm) || options.hostile.has(Lie::event_walk);
}

/// In so many calls an event is handled that came in the middle of one; where events come in
/// numbers, and handlers' own calls are interrupted, all of them.
u64 patience_with(const Options& options) {
    constexpr u64 one_event   = 64;
    constexpr u64 most_events = 512;
    return is_flooded(options) ? one_event * most_events : one_event;
}

/// Those that nothing has explained for so many calls.
void convict(u64 patience) {
    if (open == 0) {
        return;
    }
    for (Suspicion& one : suspicions) {
        if (one.name != nullptr && calls - one.call >= patience) {
            report_violation(Rule::leak_field, one.name, one.rip);
            --open;
            one.name = nullptr;
        }
    }
}

u64 word_at(const u8* page, u64 offset) {
    u64 word;
    memcpy(&word, page + offset, sizeof word);
    return word;
}

/// The first offset from here on, up to `end`, at which the page holds another word than the one
/// that is known.
u64 next_change(const u8* page, u64 offset, u64 end) {
    constexpr u64 at_once = 6; // words: of the fields' 126 none is left over
    for (; offset + at_once * sizeof(u64) <= end; offset += at_once * sizeof(u64)) {
        u64 changes = 0;
        for (u64 n = 0; n < at_once; ++n) {
            const u64 at = offset + n * sizeof(u64);
            changes |= word_at(page, at) ^ word_at(known, at);
        }
        if (changes != 0) {
            break;
        }
    }
    while (offset < end && word_at(page, offset) == word_at(known, offset)) {
        offset += sizeof(u64);
    }
    return offset;
}

void note_taken(const u8* page, Fields taken) {
    taken.for_each([page](u16 offset) {
        if (offset >= field::bitmap) {
            return;
        }
        const u64 value = word_at(page, offset);
        seen.add(offset, value);
        acquit(offset, value);
    });
}

/// What nobody writes by accident: more than 40 bits of it say something, and it is no address.
bool is_telling(u64 value) {
    constexpr u64 small      = bit(40);
    constexpr unsigned sign  = 47;
    const u64 high           = value >> sign;
    const bool is_an_address = high == 0 || high == ~u64{0} >> sign;
    return value >= small && 0 - value >= small && !is_an_address;
}

// The secret: two words, whose four halves all begin with the same 16 bits, so that a look at half
// a page need not compare each word with all of them.

constexpr unsigned halves = 4;

struct Secret {
    u32 half[halves];

    u64 word(size_t n) const { return from_halves(half[2 * n + 1], half[2 * n]); }

    bool has(u32 value) const {
        return value >> 16 == half[0] >> 16
               && (value == half[0] || value == half[1] || value == half[2] || value == half[3]);
    }
};

Secret secret_of(u64 canary) {
    Secret secret{};
    const u32 tag = 0xA500 | static_cast<u8>(canary); // no address begins so, nor a small number
    for (u32& half : secret.half) {
        canary = canary * 0x5851'F42D'4C95'7F2D + 0x1405'7B7E'F767'814F;
        half   = tag << 16 | static_cast<u16>(canary >> 40);
    }
    return secret;
}

/// Whether half a word of the secret stands in these bytes, at a multiple of four.
bool shows_secret(const Secret& secret, const u8* bytes, u64 size) {
    const std::span words{reinterpret_cast<const u32*>(bytes), size / sizeof(u32)};
    return std::ranges::any_of(words, [&secret](u32 word) { return secret.has(word); });
}

} // namespace

void note_registers(Vcpu& vcpu) {
    Registers& own = interrupted[vcpu.index];
    own.known      = true;
    for (unsigned n = 0; n < register_count; ++n) {
        own.values[n] = vcpu.general_register(n);
    }
}

void look_at_call(Vcpu& vcpu, u64 gpa, const char* name, Fields taken, bool takes_buffer) {
    const u8* const page = shared_memory(gpa);
    const bool is_known  = gpa == known_gpa;
    const Registers& own = interrupted[vcpu.index];
    // What is behind the fields changes with each call that has data, so that is looked at where
    // somebody looks for leaks.
    const u64 end         = vcpu.options.canary == 0 ? u64{field::bitmap}
                            : takes_buffer           ? u64{field::buffer}
                                                     : page_size;
    bool shows_a_register = false;
    const auto next       = [&](u64 offset) {
        return is_known ? next_change(page, offset, end) : offset;
    };
    note_taken(page, taken);
    for (u64 offset = next(0); offset < end; offset = next(offset + sizeof(u64))) {
        const u64 value     = word_at(page, offset);
        const bool is_field = offset < field::bitmap;
        const bool is_taken = is_field && taken.has_all(fields(static_cast<u16>(offset)));
        if (is_taken || value == 0 || (offset >= field::bitmap && offset < field::bitmap + 16)) {
            continue;
        }
        // A page that nobody has filled in is full of noise.
        if (is_field && is_known && !seen.has(offset, value)) {
            suspect(vcpu, offset, value, name);
        }
        for (const u64 one : own.values) {
            shows_a_register |= own.known && one == value && is_telling(value);
        }
    }
    ++calls;
    convict(patience_with(vcpu.options));
    if (shows_a_register) {
        report_violation(Rule::leak_register, name);
    }
    if (vcpu.options.canary != 0 && shows_secret(secret_of(vcpu.options.canary), page, page_size)) {
        report_violation(Rule::leak_canary, "in the GHCB page");
    }
}

void note_page(const Options& options, u64 gpa, const u8* page) {
    constexpr u64 end = field::bitmap;
    for (u64 at = next_change(page, 0, end); at < end; at = next_change(page, at + 8, end)) {
        const u64 value = word_at(page, at);
        seen.add(at, value);
        memcpy(known + at, &value, sizeof value);
    }
    known_gpa = gpa;
    if (options.canary != 0) {
        memcpy(known, page, page_size);
    }
}

void note_change(const Options& options, u64 gpa, const u8* page) {
    if (gpa == known_gpa) {
        note_page(options, gpa, page);
    }
}

void look_at_value(const Options& options, u64 value, const char* what) {
    if (options.canary == 0) {
        return;
    }
    const Secret secret = secret_of(options.canary);
    if (secret.has(low_half(value)) || secret.has(high_half(value))) {
        report_violation(Rule::leak_canary, what);
    }
}

void look_at_end(const Options& options, bool is_in_good_order) {
    constexpr u64 patience = 16; // a call may have been under way where the end came
    convict(is_in_good_order ? 0 : is_flooded(options) ? patience_with(options) : patience);
    if (options.canary == 0) {
        return;
    }
    const Secret secret = secret_of(options.canary);
    for (u64 gpa = 0; gpa < options.map().end(); gpa += page_size) {
        if (is_guest_memory(gpa) && has_shared_contents(gpa)
            && shows_secret(secret, shared_memory(gpa), page_size)) {
            report_violation(Rule::leak_canary, "in shared memory");
        }
    }
}

void plant(const Options& options, u8* page) {
    if (options.canary == 0) {
        return;
    }
    constexpr u64 size = sizeof placeholder - 1;
    static_assert(size == 2 * sizeof(u64));
    const Secret secret = secret_of(options.canary);
    for (u64 offset = 0; offset < page_size; offset += size) {
        if (memcmp(page + offset, placeholder, size) == 0) {
            const u64 words[] = {secret.word(0), secret.word(1)};
            memcpy(page + offset, words, size);
        }
    }
}

void plant_in_vector_registers(const Options& options) {
    if (options.canary == 0) {
        return;
    }
    using x86::Cpu;
    const Secret secret = secret_of(options.canary);
    const u64 words[]   = {secret.word(0), secret.word(1)};
    const u64 own       = Cpu::cr4();
    Cpu::set_cr4(own | x86::cr4::osfxsr);
    asm volatile("movups (%0), %%xmm0; movups (%0), %%xmm1; movups (%0), %%xmm2\n"
                 "movups (%0), %%xmm3; movups (%0), %%xmm4; movups (%0), %%xmm5\n"
                 "movups (%0), %%xmm6; movups (%0), %%xmm7; movups (%0), %%xmm8\n"
                 "movups (%0), %%xmm9; movups (%0), %%xmm10; movups (%0), %%xmm11\n"
                 "movups (%0), %%xmm12; movups (%0), %%xmm13; movups (%0), %%xmm14\n"
                 "movups (%0), %%xmm15"
                 :
                 : "r"(words), "m"(words));
    Cpu::set_cr4(own);
}

} // namespace vestibule::sevsim::leaks
