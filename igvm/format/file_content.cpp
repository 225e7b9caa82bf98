// SPDX-License-Identifier: BSD-2-Clause-Patent
// See file_content.h.
#include "igvm/format/file_content.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::igvm {

namespace {

class Reader {
  public:
    Reader(const File& file, PlatformType platform, const GuestMachine& machine)
        : file_(file), mask_(file.mask_of(platform)), platform_(platform), machine_(machine) {}

    std::expected<FileContent, std::string> read() {
        for (const Header header : file_.initialization(mask_)) {
            if (const auto policy = header.as<GuestPolicy>()) {
                content_.policy = content_.policy.value_or(policy->policy); // the first counts
            } else {
                refuse(header, "no initialization header but GUEST_POLICY");
            }
        }
        for (const Header header : file_.directives(mask_)) {
            directive(header);
        }
        if (!error_.empty()) {
            return std::unexpected(error_);
        }
        return std::move(content_);
    }

  private:
    void directive(const Header& header) {
        if (const auto page = header.as<PageData>()) {
            page_data(header, *page);
        } else if (const auto area = header.as<ParameterArea>()) {
            parameter_area(header, *area);
        } else if (const auto usage = header.as<ParameterUsage>()) {
            deposit(header, *usage);
        } else if (const auto insert = header.as<ParameterInsert>()) {
            // parse() has seen to it that it was declared; it may have been refused here.
            if (const auto found = areas_.find(insert->parameter_area_index);
                found != areas_.end() && !found->second->empty()) {
                content_.pieces.push_back({
                    .range  = {.gpa = insert->gpa, .size = found->second->size()},
                    .type   = PageType::unmeasured,
                    .shared = false,
                    .data   = *found->second
                });
            }
        } else if (const auto context = header.as<VpContext>()) {
            if (context->vp_index >= machine_.vcpus) {
                refuse(header, fmt::format("a VP below {}, or more --vcpus", machine_.vcpus));
            } else if (platform_ == PlatformType::native && context->vp_index != 0) {
                refuse(header, "a native VP context for VP 0 only");
            } else {
                content_.contexts[context->vp_index] = file_.data(context->file_offset, page_size);
            }
        } else if (const auto required = header.as<RequiredMemory>()) {
            if (required->number_of_bytes != 0) {
                content_.required.push_back(
                    {.gpa = required->gpa, .size = required->number_of_bytes});
            }
        } else if (const auto block = header.as<SnpIdBlock>()) {
            if (content_.id_block) {
                refuse(header, "one SNP_ID_BLOCK at the most");
            }
            content_.id_block = block;
        } else {
            refuse(header, "a directive that QEMU 11.1 accepts, or COMMAND_LINE");
        }
    }

    void page_data(const Header& header, const PageData& page) {
        const bool normal = page.data_type == PageDataType::normal;
        if (!normal && platform_ != PlatformType::sev_snp) {
            refuse(header, "secrets and CPUID pages on SEV-SNP only");
            return;
        }
        constexpr u64 large_page = u64{2} << 20;
        const bool large         = (page.flags & PageData::is_2mb_page) != 0;
        const bool unmeasured    = (page.flags & PageData::unmeasured) != 0;
        const bool secrets       = page.data_type == PageDataType::secrets;
        content_.pieces.push_back({
            .range  = {.gpa = page.gpa, .size = large ? large_page : page_size},
            .type   = !normal      ? (secrets ? PageType::secrets : PageType::cpuid)
                      : unmeasured ? PageType::unmeasured
                                   : PageType::normal,
            .shared = (page.flags & PageData::shared) != 0,
            .data   = file_.data(page)
        });
    }

    void parameter_area(const Header& header, const ParameterArea& area) {
        constexpr u64 most = u64{64} << 20; // a file of a few bytes may ask for 2^64
        if (area.number_of_bytes > most) {
            refuse(header, "a parameter area of 64 MiB at the most");
            return;
        }
        auto& bytes = content_.owned.emplace_back(area.number_of_bytes);
        if (area.file_offset != 0) {
            std::ranges::copy(file_.data(area.file_offset, area.number_of_bytes), bytes.begin());
        }
        areas_[area.parameter_area_index] = &bytes;
    }

    void deposit(const Header& header, const ParameterUsage& usage) {
        const auto value = parameter_bytes(header.type, machine_);
        const auto area  = areas_.find(usage.parameter_area_index);
        if (value.empty()) {
            refuse(header, "a parameter that QEMU 11.1 fills in, or COMMAND_LINE");
        } else if (area != areas_.end()) { // or it has been refused
            auto& bytes = *area->second;
            if (usage.byte_offset > bytes.size()
                || value.size() > bytes.size() - usage.byte_offset) {
                refuse(header, fmt::format("room for {} bytes at offset {:#x} of the parameter "
                                           "area, which has {:#x}",
                                           value.size(), usage.byte_offset, bytes.size()));
                return;
            }
            std::ranges::copy(value, bytes.begin() + usage.byte_offset);
        }
    }

    void refuse(const Header& header, std::string_view expected) {
        if (error_.empty()) {
            error_ = fmt::format("offset {:#x} (header {}): found {}, expected {}", header.offset,
                                 header.index, header.row().name, expected);
        }
    }

    const File& file_;
    u32 mask_;
    PlatformType platform_;
    const GuestMachine& machine_;
    FileContent content_;
    std::map<u32, std::vector<u8>*> areas_;
    std::string error_;
};
} // namespace

std::vector<GpaRange> ram_of(u64 memory) {
    constexpr u64 low_end     = u64{3} << 30;
    constexpr u64 high        = u64{4} << 30;
    std::vector<GpaRange> ram = {
        {.gpa = 0, .size = std::min(memory, low_end)}
    };
    if (memory > low_end) {
        ram.push_back({.gpa = high, .size = memory - low_end});
    }
    return ram;
}

std::expected<std::vector<GpaRange>, std::string> memory_of(const FileContent& content,
                                                            u64 memory) {
    constexpr u64 most = u64{1} << 48; // beyond any C-bit and any CPU's physical addresses
    const std::vector<GpaRange> ram = ram_of(memory);
    std::vector<GpaRange> wanted    = content.required;
    for (const GuestPiece& piece : content.pieces) {
        wanted.push_back(piece.range);
    }
    std::vector<GpaRange> others;
    for (const GpaRange& range : wanted) {
        if (range.gpa >= most || range.size > most - range.gpa) {
            return std::unexpected(
                fmt::format("found guest memory at {:#x}, {:#x} bytes, expected it below {:#x}",
                            range.gpa, range.size, most));
        }
        bool in_ram = false;
        for (const GpaRange& bank : ram) {
            const bool starts = range.gpa - bank.gpa < bank.size;
            const bool ends   = range.gpa + range.size - 1 - bank.gpa < bank.size;
            if (starts != ends) {
                return std::unexpected(
                    fmt::format("found guest memory at {:#x}, {:#x} bytes, that crosses the end of "
                                "RAM: more --memory is needed",
                                range.gpa, range.size));
            }
            in_ram = in_ram || starts;
        }
        if (!in_ram) {
            others.push_back(range);
        }
    }
    std::ranges::sort(others, {}, &GpaRange::gpa);
    std::vector<GpaRange> ranges = ram;
    for (const GpaRange& other : others) {
        GpaRange& last = ranges.back();
        if (ranges.size() > ram.size() && other.gpa <= last.gpa + last.size) {
            last.size = std::max(last.size, other.gpa + other.size - last.gpa);
        } else {
            ranges.push_back(other);
        }
    }
    return ranges;
}

std::expected<FileContent, std::string> file_content(const File& file, PlatformType platform,
                                                     const GuestMachine& machine) {
    return Reader(file, platform, machine).read();
}

} // namespace vestibule::igvm
