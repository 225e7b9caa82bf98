// SPDX-License-Identifier: BSD-2-Clause-Patent
// Everything that igvmtool does with a file, done with any bytes: for the fuzz target and for the
// campaign of mutations. What it finds wrong it says by abort(), since that is what both
// understand; the sanitizers find the rest.
#pragma once

#include "igvm/format/crc32.h"
#include "igvm/format/rewrite.h"
#include "igvm/measure/id_block.h"
#include "igvm/measure/igvm_launch.h"
#include "igvm/show/describe.h"
#include "igvm/show/diff.h"
#include "igvm/show/show.h"
#include "igvm/vmm/check.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace vestibule::igvm::test {

inline void must(bool right, const char* what) {
    if (!right) {
        std::fprintf(stderr, "igvm_exercise: %s\n", what);
        std::abort();
    }
}

/// Bytes that say they are as long as they are, with a right checksum, so that what lies behind
/// those two checks gets its turn.
inline void seal(std::span<u8> file) {
    if (file.size() < sizeof(FixedHeader)) {
        return;
    }
    const auto put = [&](u64 offset, u32 value) {
        std::memcpy(file.data() + offset, &value, sizeof(value));
    };
    put(offsetof(FixedHeader, total_file_size), static_cast<u32>(file.size()));
    const auto header = load<FixedHeader>(file);
    const u64 fixed   = header.format_version == 2 ? sizeof(FixedHeaderV2) : sizeof(FixedHeader);
    const u64 start   = header.variable_header_offset;
    if (fixed > file.size() || start > file.size()
        || header.variable_header_size > file.size() - start) {
        return;
    }
    put(offsetof(FixedHeader, checksum), 0);
    Crc32 crc;
    crc.add(file.first(fixed));
    crc.add(file.subspan(start, header.variable_header_size));
    put(offsetof(FixedHeader, checksum), crc.value());
}

/// Listings are longer than their files, but not without bound.
class BoundedSink {
  public:
    explicit BoundedSink(u64 file_size) : left_(65'536 + file_size * 4096) {}

    void operator()(std::string_view text) {
        must(text.size() <= left_, "a listing without bound");
        left_ -= text.size();
    }

  private:
    u64 left_;
};

/// Whether the file is accepted. `turn` chooses among what is too slow to do every time.
inline bool exercise(std::span<const u8> bytes, unsigned turn) {
    const auto file = parse(bytes, OptionalHeaders::kept);
    if (!file) {
        const std::string message = describe(file.error());
        must(message.starts_with("offset 0x") || message.starts_with("not an IGVM file: offset 0x"),
             "a message without an offset");
        must(message.find("expected ") != std::string::npos, "a message without the rule");
        must(file.error().offset <= bytes.size() + sizeof(FixedHeaderV2),
             "an offset outside the file");
        must(!parse(bytes), "accepted without optional headers, refused with them");
        return false;
    }
    const Sink sink = BoundedSink(bytes.size());
    switch (turn % 4) {
    case 0: show_text(*file, sink); break;
    case 1: show_json(*file, "fuzz", sink); break;
    case 2: must(show_svg(*file, "fuzz").size() < 1'000'000, "a picture without bound"); break;
    default: break;
    }
    for (const VmmProfile& vmm : vmm_profiles) {
        if (turn % std::size(vmm_profiles) == static_cast<unsigned>(vmm.vmm)) {
            for (const Finding& finding : check_for(*file, vmm).findings) {
                must(finding.offset < bytes.size(), "a finding outside the file");
            }
            LaunchOptions options;
            options.vmm      = vmm;
            options.platform = strongest_platform(*file);
            (void)launch_of(*file, options); // a launch or an error; hashing it adds nothing
        }
    }

    const auto written = rewrite(*file);
    must(written.has_value(), "a valid file that cannot be written");
    must(written->size() <= bytes.size(), "a copy that is longer");
    const auto again = parse(*written, OptionalHeaders::kept);
    must(again.has_value(), "a copy that is not valid");
    must(same_content(*file, *again), "a copy that says something else");
    must(diff(*file, *again).same(), "a difference to the copy");
    for (const Header header : file->directives()) {
        if (const auto block = header.as<SnpIdBlock>()) {
            (void)faults_of(*block, turn);
            break;
        }
    }
    return true;
}

} // namespace vestibule::igvm::test
