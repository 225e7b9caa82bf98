// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a file of igvmtool's own says of the options that it was built with, and where it has its
// contents, as one of its platforms' guests has it (own_inputs.h).
#pragma once

#include "boot/attest/record.h"
#include "boot/hand_over/header.h"
#include "igvm/format/reader.h"
#include "igvm/image/build_options.h"
#include "igvm/image/own_file.h"
#include "igvm/image/payload.h"

namespace vestibule::igvm {

class OwnFinder {
  public:
    OwnFinder(const File& file, PlatformType platform)
        : file_(file), mask_(file.mask_of(platform)), own_(own_file(file, platform)) {}

    /// Entered in 32-bit mode without a payload a file has neither a record nor page tables: it is
    /// like ours where it all lies in a region of which the first page is left for the tables.
    [[nodiscard]] bool is_own() const;

    [[nodiscard]] BuildOptions options() const;

    /// The payload's record, where there is a payload.
    [[nodiscard]] std::optional<boot::PayloadHeader> record() const;

    /// What of a report the guest asks for by the record there, if it does.
    [[nodiscard]] std::optional<std::array<u8, boot::AttestRecord::data_size>>
    report_data_at(u64 address) const;

    /// Zeros where there are no pages.
    template <class Record>
    [[nodiscard]] Record record_at(u64 address) const {
        std::vector<u8> bytes = bytes_at(address, sizeof(Record));
        bytes.resize(sizeof(Record));
        return load<Record>(bytes);
    }

    /// All pages of a range, zeros where there are none, up to the last that has data.
    [[nodiscard]] std::vector<u8> bytes_at(u64 base, u64 size) const;

    /// Whether the file has each page of a range, be it one of zeros.
    [[nodiscard]] bool has_all(u64 base, u64 size) const;

    /// As runs of pages that the file has.
    [[nodiscard]] std::vector<Block> blocks_at(u64 base, u64 size) const;

  private:
    void for_pages(const auto& use) const {
        for (const Header header : file_.directives(mask_)) {
            const auto page = header.as<PageData>();
            if (page && (page->flags & PageData::is_2mb_page) == 0) {
                use(*page, file_.data(*page));
            }
        }
    }

    [[nodiscard]] std::span<const u8> page_at(u64 gpa) const;
    [[nodiscard]] u8 vmpl_below(u64 service_launch) const;
    void read_context(const VpContext& context, BuildOptions& options) const;

    const File& file_;
    u32 mask_;
    OwnFile own_;
};

} // namespace vestibule::igvm
