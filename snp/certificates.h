// SPDX-License-Identifier: BSD-2-Clause-Patent
// The table of certificates that comes with an extended guest request (GHCB specification, exit
// 0x80000012): entries of GUID, offset and length, the last one zero, then what they point to. The
// hypervisor writes it and nobody signs it: what is in it has to prove itself, and where it points
// has to be checked.
#pragma once

#include "crypto/bytes.h"
#include "x86/types.h"

namespace vestibule::snp {

inline constexpr u64 certificate_guid_size  = 16;
inline constexpr u64 certificate_entry_size = 24;

/// One certificate of a table.
struct CertificateEntry {
    u8 guid[certificate_guid_size];
    u32 offset; // from the table's beginning
    u32 length;
};

/// Entry `index` of a table in private memory. False at the zero entry, and where the table has no
/// entry there.
inline bool read_certificate_entry(crypto::Bytes table, u64 index, CertificateEntry& entry) {
    if (index >= table.size / certificate_entry_size) {
        return false;
    }
    const u8* const at = table.data + index * certificate_entry_size;
    u8 any             = 0;
    for (u64 n = 0; n < certificate_entry_size; ++n) {
        any = static_cast<u8>(any | at[n]);
    }
    for (u64 n = 0; n < certificate_guid_size; ++n) {
        entry.guid[n] = at[n];
    }
    const u64 where = crypto::load_little64(at + certificate_guid_size);
    entry.offset    = low_half(where);
    entry.length    = high_half(where);
    return any != 0;
}

/// The bytes that a table takes up, with its certificates; 0 where it has no end, or an entry
/// points into the table itself or out of its memory. A table without certificates is its zero
/// entry.
inline u64 certificate_table_size(crypto::Bytes table) {
    CertificateEntry entry;
    u64 count = 0;
    while (read_certificate_entry(table, count, entry)) {
        ++count;
    }
    const u64 end_of_entries = (count + 1) * certificate_entry_size;
    if (end_of_entries > table.size) {
        return 0;
    }
    u64 end = end_of_entries;
    for (u64 index = 0; index < count; ++index) {
        (void)read_certificate_entry(table, index, entry);
        const u64 end_of_this = u64{entry.offset} + entry.length;
        if (entry.offset < end_of_entries || end_of_this > table.size) {
            return 0;
        }
        end = end_of_this > end ? end_of_this : end;
    }
    return end;
}

} // namespace vestibule::snp
