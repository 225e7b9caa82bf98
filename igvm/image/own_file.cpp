// SPDX-License-Identifier: BSD-2-Clause-Patent
// See own_file.h. A record is believed where all of it can be one: the file is hostile, and what it
// says goes into names alone.
#include "igvm/image/own_file.h"

#include "boot/hand_over/header.h"
#include "igvm/format/vp_context.h"
#include "igvm/image/guest_layout.h"
#include "x86/vmsa.h"

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

namespace {
using boot::PayloadHeader;

constexpr u64 region_size    = u64{2} << 20; // the stub's, from its base
constexpr u64 jump_table_gpa = 0x9'F000;     // where guest_placement.cpp has it

bool can_be_record(const PayloadHeader& header) {
    const bool known = header.version == PayloadHeader::current_version
                       && (header.kind == boot::PayloadKind::boot_info
                           || header.kind == boot::PayloadKind::linux64);
    if (!known || header.ram_count > PayloadHeader::max_ram || header.efi_system_table != 0
        || header.command_line_size >= sizeof(header.command_line)
        || header.payload_base % page_size != 0 || header.payload_size == 0
        || header.payload_base + header.payload_size < header.payload_base) {
        return false;
    }
    const std::string_view text(header.command_line, sizeof(header.command_line));
    const std::string_view line = text.substr(0, header.command_line_size);
    return line.find('\0') == std::string_view::npos
           && text.find_first_not_of('\0', line.size()) == std::string_view::npos;
}

std::optional<PayloadHeader> record_at(std::span<const u8> page, u64 offset) {
    PayloadHeader header;
    std::memcpy(&header, page.data() + offset, sizeof(header));
    return can_be_record(header) ? std::optional(header) : std::nullopt;
}

class Finder {
  public:
    Finder(const File& file, PlatformType platform)
        : file_(file), platform_(platform), mask_(file.mask_of(platform)) {}

    OwnFile run() {
        for (const Header header : file_.directives(mask_)) {
            const auto page = header.as<PageData>();
            if (page && (page->flags & PageData::is_2mb_page) == 0) {
                look_into(*page);
            }
        }
        for (const Header header : file_.directives(mask_)) {
            if (const auto context = header.as<VpContext>()) {
                add_stub(*context);
                break; // all vCPUs have the first one's tables
            }
        }
        // Without one of these two it is somebody else's, whatever looks like a part.
        if (!record_ && !by_tables_) {
            return {};
        }
        return std::move(found_);
    }

  private:
    void add(Part part, u64 gpa, u64 size) {
        if (gpa != 0 && size != 0) {
            found_.parts.push_back({.gpa  = gpa & ~(page_size - 1),
                                    .size = whole_pages(size + gpa % page_size),
                                    .name = std::string(name_of(part))});
        }
    }

    void look_into(const PageData& page) {
        const auto data = file_.data(page);
        if (data.size() < page_size) {
            return;
        }
        constexpr std::string_view root = "RSD PTR "; // ACPI 6.5, section 5.2.5.3
        if (std::ranges::equal(data.first(root.size()), root)) {
            add(Part::acpi_tables, page.gpa, page_size);
        }
        if (page.gpa == jump_table_gpa && platform_ == PlatformType::sev_es) {
            add(Part::jump_table, page.gpa, page_size);
        }
        if (record_) {
            return;
        }
        for (u64 offset = 0; offset + sizeof(PayloadHeader) <= page_size; offset += sizeof(u64)) {
            if (const auto header = record_at(data, offset)) {
                record_       = header;
                found_.record = {.page   = data.data(),
                                 .offset = offset,
                                 .command_line =
                                     std::string(header->command_line, header->command_line_size),
                                 .initrd      = header->initrd,
                                 .initrd_size = header->initrd_size};
                add(Part::hand_over, page.gpa, page_size);
                add(Part::initrd, header->initrd, header->initrd_size);
                add(Part::zero_page, header->zero_page, page_size);
                if (platform_ == PlatformType::sev_snp) {
                    add(Part::cpuid_page, header->cpuid_page, page_size);
                    add(Part::secrets_page, header->secrets_page, page_size);
                }
                add(Part::payload, header->payload_base, header->payload_size);
                return;
            }
        }
    }

    /// Entered with paging on, on tables at the beginning of the region that it is in: so are
    /// igvmtool's, and who else's may be called alike.
    void add_stub(const VpContext& context) {
        u64 rip = 0;
        u64 cr3 = 0;
        if (platform_ == PlatformType::sev_es || platform_ == PlatformType::sev_snp) {
            const auto vmsa = load<x86::Vmsa>(file_.data(context.file_offset, page_size));
            rip             = vmsa.rip;
            cr3             = vmsa.cr3;
        } else if (platform_ == PlatformType::native) {
            const auto own = load<NativeVpContext>(file_.data(context.file_offset, page_size));
            rip            = own.rip;
            cr3            = own.cr3;
        }
        const u64 base = rip & ~(region_size - 1);
        by_tables_     = (cr3 & ~(page_size - 1) & ~(bit(47) | bit(51))) == base && base != 0;
        if (by_tables_) {
            add(Part::page_tables, base, page_size);
        }
        if (by_tables_ || record_) {
            add(Part::stub, base, region_size);
        }
    }

    const File& file_;
    PlatformType platform_;
    u32 mask_;
    std::optional<PayloadHeader> record_;
    bool by_tables_ = false;
    OwnFile found_;
};
} // namespace

const u64 OwnFile::Record::line_at        = offsetof(PayloadHeader, command_line);
const u64 OwnFile::Record::line_room      = sizeof(PayloadHeader::command_line);
const u64 OwnFile::Record::line_size_at   = offsetof(PayloadHeader, command_line_size);
const u64 OwnFile::Record::initrd_size_at = offsetof(PayloadHeader, initrd_size);

OwnFile own_file(const File& file, PlatformType platform) { return Finder(file, platform).run(); }

} // namespace vestibule::igvm
