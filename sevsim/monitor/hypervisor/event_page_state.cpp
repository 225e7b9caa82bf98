// SPDX-License-Identifier: BSD-2-Clause-Patent
// Page state change by the GHCB page (GHCB specification, exit 0x80000010): a list of entries in
// the shared buffer, in which the hypervisor keeps count of how far it has come.
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/page_state.h"
#include "sevsim/monitor/hypervisor/scratch.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

struct Header {
    u16 current; // the entry to go on with
    u16 last;
    u32 reserved;
};

struct Entry {
    u64 value;

    /// How many 4 KiB pages of it are done.
    u64 done() const { return value & 0xFFF; }

    u64 gpa() const { return value & 0x000F'FFFF'FFFF'F000; }

    unsigned operation() const { return static_cast<unsigned>(value >> 52) & 0xF; }

    bool is_large() const { return (value & bit(56)) != 0; }

    u64 pages() const { return is_large() ? 512 : 1; }

    bool has_reserved_bits() const { return value >> 57 != 0; }
};

constexpr u64 most_entries = (field::buffer_end - field::buffer - sizeof(Header)) / sizeof(Entry);

// SW_EXITINFO2 of what could not be done.
constexpr u64 invalid_header = 0x1'0000'0001;
constexpr u64 invalid_entry  = 0x1'0000'0002;

/// A large entry of which some is done goes on page by page.
bool change(const Options& options, const Entry& entry) {
    if (entry.done() > entry.pages() || entry.has_reserved_bits()) {
        return false;
    }
    if (entry.done() == 0 && !(entry.is_large() && tells(options, Lie::list_small))) {
        return change_page_state(entry.gpa(), entry.operation(), entry.is_large());
    }
    for (u64 n = entry.done(); n < entry.pages(); ++n) {
        if (!change_page_state(entry.gpa() + n * page_size, entry.operation(), false)) {
            return false;
        }
    }
    return true;
}

/// The first answer has one entry done, so that the second can go back behind that.
void spoil_header(const Options& options, Header& header) {
    const bool goes_on         = header.current > 1;
    const Hostility* const lie = options.hostile.find(Lie::list_header);
    if (lie == nullptr || (lie->code == 1 && !goes_on)) {
        return;
    }
    (void)tells(options, Lie::list_header); // for the report
    switch (lie->code) {
    case 1: header.current = 0; break;
    case 2: header.last = static_cast<u16>(header.last + 1); break;
    case 3: header.current = static_cast<u16>(header.last + 2); break;
    default: header.reserved = 1;
    }
}

} // namespace

Answer serve_page_state_change(Vcpu& vcpu, GhcbView& ghcb) {
    u8* const buffer = find_scratch(vcpu, ghcb, sizeof(Header));
    if (buffer == nullptr) {
        return Answer::invalid_scratch("page state change: its list is not in the shared buffer");
    }
    Header header;
    memcpy(&header, buffer, sizeof header);
    // One past the end: the last one of a list that was done before.
    if (header.current > header.last || header.last >= most_entries
        || find_scratch(vcpu, ghcb, sizeof header + (header.last + 1) * sizeof(Entry)) == nullptr) {
        report_violation(Rule::psc_list,
                         "page state change: a list that is longer than its buffer, "
                         "or done");
        return Answer::done(invalid_header);
    }
    if (header.reserved != 0) {
        report_violation(Rule::ghcb_stale_bits, "page state change: reserved bits of its header");
    }
    u8* at                = buffer + sizeof header + header.current * sizeof(Entry);
    const bool breaks_off = tells(vcpu.options, Lie::psc_interrupted)
                            || (vcpu.options.hostile.has(Lie::list_header) && header.current == 0);
    const bool is_stuck   = tells(vcpu.options, Lie::list_stuck);
    const bool skips_rest = tells(vcpu.options, Lie::list_undone);
    const u16 first       = header.current;
    for (; header.current <= header.last && !is_stuck; at += sizeof(Entry)) {
        Entry entry;
        memcpy(&entry, at, sizeof entry);
        if (skips_rest && header.current != first) {
            falsify_page_state(entry.gpa(), entry.is_large());
        } else if (!change(vcpu.options, entry)) {
            report_violation(Rule::psc_list, "page state change: an entry that cannot be done");
            memcpy(buffer, &header.current, sizeof header.current);
            return Answer::done(invalid_entry);
        }
        entry.value = (entry.value & ~u64{0xFFF}) | entry.pages();
        memcpy(at, &entry, sizeof entry);
        ++header.current;
        if (breaks_off) {
            break; // and the guest has to ask for the rest
        }
    }
    spoil_header(vcpu.options, header);
    memcpy(buffer, &header, sizeof header);
    return Answer::done();
}

} // namespace vestibule::sevsim
