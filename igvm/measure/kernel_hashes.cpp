// SPDX-License-Identifier: BSD-2-Clause-Patent
// See kernel_hashes.h.
#include "igvm/measure/kernel_hashes.h"

#include "igvm/format/guid.h"

#include <cstring>

namespace vestibule::igvm {

namespace {
constexpr Guid table_guid   = guid("9438d606-4f22-4cc9-b479-a793d411fd21");
constexpr Guid cmdline_guid = guid("97d02dd8-bd20-4c94-aa78-e7714d36ab2a");
constexpr Guid initrd_guid  = guid("44baf731-3a2f-4bd7-9af1-41e29169781d");
constexpr Guid kernel_guid  = guid("4de79437-abd2-427f-b835-d5b172d2045b");

struct [[gnu::packed]] Entry {
    Guid guid;
    u16 length;
    Digest256 hash;
};

static_assert(sizeof(Entry) == 50);

struct [[gnu::packed]] Table {
    Guid guid;
    u16 length;
    Entry entries[3];
    u8 padding[8];
};

static_assert(sizeof(Table) == hash_table_size);
} // namespace

std::vector<u8> hash_table(const DirectBoot& boot) {
    std::vector<u8> line(boot.command_line.begin(), boot.command_line.end());
    if (boot.hashes_terminator) {
        line.push_back(0);
    }
    const Table table{
        .guid   = table_guid,
        .length = offsetof(Table, padding),
        .entries =
            {
                      {.guid = cmdline_guid, .length = sizeof(Entry), .hash = sha256(line)},
                      {.guid = initrd_guid, .length = sizeof(Entry), .hash = boot.initrd},
                      {.guid = kernel_guid, .length = sizeof(Entry), .hash = boot.kernel},
                      },
        .padding = {}
    };
    std::vector<u8> bytes(sizeof(table));
    std::memcpy(bytes.data(), &table, sizeof(table));
    return bytes;
}

} // namespace vestibule::igvm
