// SPDX-License-Identifier: BSD-2-Clause-Patent
// See flash_limits.h.
#include "igvm/tool/flash_limits.h"

#include "igvm/image/flash.h"
#include "igvm/show/describe.h"
#include "x86/page_table.h"
#include "x86/vmsa.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
class Limits {
  public:
    explicit Limits(const File& file) : file_(file) {}

    std::vector<std::string> run(bool is_own) {
        platforms();
        for (const Header header : file_.initialization()) {
            look_at_initialization(header);
        }
        for (const Header header : file_.directives()) {
            look_at(header, is_own);
        }
        if (bytes_ > largest_flash) {
            add("{} bytes of pages: a flash image has at most {}", bytes_, largest_flash);
        }
        add_counts();
        return std::move(found_);
    }

  private:
    template <class... Args>
    void add(fmt::format_string<Args...> format, Args&&... args) {
        std::string words = fmt::format(format, std::forward<Args>(args)...);
        if (std::ranges::find(found_, words) == found_.end()) {
            found_.push_back(std::move(words));
        }
    }

    void platforms() {
        for (const Header header : file_.platforms()) {
            const auto platform = header.as<SupportedPlatform>();
            if (platform && !is_buildable(platform->platform_type)) {
                add("the platform {}: a flash image is for native, sev-es and sev-snp",
                    name_of(platform->platform_type));
            }
            if (platform && platform->highest_vtl != 0) {
                add("VTL {}: a flash image starts its guest in VTL 0", platform->highest_vtl);
            }
        }
    }

    /// Policy and ID block are the monitor's options then (notes_of()).
    void look_at_initialization(const Header& header) {
        if (header.type != HeaderType::guest_policy) {
            add("{}: a flash image has no place for it", header.row().name);
        }
    }

    void look_at(const Header& header, bool is_own) {
        if (const auto page = header.as<PageData>()) {
            look_at_page(*page);
        } else if (const auto context = header.as<VpContext>()) {
            if (!is_own) {
                look_at_context(*context);
            }
        } else if (header.as<ParameterUsage>()) {
            add("the parameter {}: nobody fills one in for a flash image", header.row().name);
        } else if (header.type == HeaderType::error_range
                   || header.type == HeaderType::vbs_measurement) {
            add("{}: a flash image has no place for it", header.row().name);
        }
    }

    void look_at_page(const PageData& page) {
        const u64 size =
            (page.flags & PageData::is_2mb_page) != 0 ? x86::large_page_size : u64{page_size};
        bytes_ += page.file_offset != 0 ? size : 0;
        shared_ += (page.flags & PageData::shared) != 0 ? 1 : 0;
        unmeasured_ += (page.flags & PageData::unmeasured) != 0 ? 1 : 0;
        constexpr u64 volume = (u64{1} << 32) - largest_flash;
        high_ += page.gpa + size > volume ? 1 : 0;
        const u64 video_end = not_flash_ram.base + not_flash_ram.size;
        low_ += page.gpa < video_end && page.gpa + size > not_flash_ram.base ? 1 : 0;
    }

    void look_at_context(const VpContext& context) {
        const auto platform = file_.platform_of(context.compatibility_mask);
        if (context.vp_index != 0 || !platform || !is_buildable(*platform)) {
            return;
        }
        u64 rip = 0;
        std::string mode;
        const auto page = file_.data(context.file_offset, page_size);
        if (*platform == PlatformType::native) {
            const auto state = load<NativeVpContext>(page);
            rip              = state.rip;
            mode =
                mode_in_words(state.cr0, state.efer, x86::vmsa_attributes(state.code.attributes));
        } else {
            const auto vmsa = load<x86::Vmsa>(page);
            rip             = vmsa.cs.base + vmsa.rip;
            mode            = mode_in_words(vmsa.cr0, vmsa.efer, vmsa.cs.attributes);
        }
        add("a start for {} at {:#x} in {}: a flash image starts at the reset vector, in real mode",
            name_of(*platform), rip, mode);
    }

    void add_counts() {
        const auto count = [&](u64 pages, std::string_view which, std::string_view why) {
            if (pages != 0) {
                add("pages {} ({}): {}", which, pages, why);
            }
        };
        count(shared_, "that are shared", "all of a flash image is private");
        count(unmeasured_, "that are unmeasured", "all of a flash image is measured");
        count(high_, "from 4 GiB less 16 MiB on", "the volume and a PC's APICs are there");
        count(low_, "from 0xa0000 to 0xfffff", "a PC has video memory and its firmware there");
    }

    const File& file_;
    std::vector<std::string> found_;
    u64 bytes_      = 0;
    u64 shared_     = 0;
    u64 unmeasured_ = 0;
    u64 high_       = 0;
    u64 low_        = 0;
};
} // namespace

std::vector<std::string> flash_limits(const File& file, bool is_own) {
    return Limits(file).run(is_own);
}

} // namespace vestibule::igvm
