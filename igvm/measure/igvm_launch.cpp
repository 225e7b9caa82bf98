// SPDX-License-Identifier: BSD-2-Clause-Patent
// See igvm_launch.h. QEMU's treatment of page runs: backends/igvm.c, qigvm_process_mem_page().
#include "igvm/measure/igvm_launch.h"

#include "igvm/measure/vcpu_state.h"
#include "x86/sev.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace vestibule::igvm {

namespace {
constexpr u64 small_pages_in_large = 512;

class Composer {
  public:
    Composer(const File& file, const LaunchOptions& options, std::span<const u8> hash_table)
        : file_(file), options_(options), vmm_(options.vmm), hash_table_(hash_table),
          snp_(options.platform == PlatformType::sev_snp) {
        launch_.platform = options.platform;
    }

    std::expected<Launch, std::string> run() {
        directives();
        if (!hash_table_.empty() && error_.empty()) {
            kernel_hashes();
        }
        if (error_.empty() && options_.platform != PlatformType::sev) {
            vcpus();
        }
        u64 pages = 0;
        for (const Step& step : launch_.steps) {
            // Each is at most 2^52, and a sum of two cannot wrap.
            pages = std::min(pages, max_measured_pages + 1) + step.pages;
        }
        if (pages > max_measured_pages) {
            error_ = fmt::format("found {} or more pages to measure, expected at most {} (64 GiB)",
                                 pages, max_measured_pages);
        }
        if (!error_.empty()) {
            return std::unexpected(error_);
        }
        return std::move(launch_);
    }

  private:
    void directives() {
        std::map<u32, u64> areas;
        for (const Header header : file_.directives(file_.mask_of(options_.platform))) {
            if (const auto page = header.as<PageData>()) {
                page_data(header, *page);
            } else if (const auto area = header.as<ParameterArea>()) {
                areas[area->parameter_area_index] = area->number_of_bytes;
            } else if (const auto insert = header.as<ParameterInsert>()) {
                if (vmm_.order != Order::inserts_before_open_run) {
                    close_run();
                }
                const u64 pages = areas[insert->parameter_area_index] / page_size;
                if (vmm_.one_page_each && pages > 1) {
                    note(header, "{} imports the first page of a parameter area alone", vmm_.name);
                }
                launch_.steps.push_back(
                    {.type         = PageType::unmeasured,
                     .gpa          = insert->gpa,
                     .pages        = vmm_.one_page_each ? std::min<u64>(pages, 1) : pages,
                     .what         = "parameters",
                     .header_index = header.index});
            } else if (const auto context = header.as<VpContext>()) {
                vp_context(header, *context);
            }
        }
        close_run();
        if (vmm_.order == Order::by_address) {
            sort_by_address();
        }
    }

    /// Those at one address stay in the file's order.
    void sort_by_address() {
        std::vector<std::pair<u64, u64>> places;
        places.reserve(launch_.steps.size());
        for (const Step& step : launch_.steps) {
            places.emplace_back(step.gpa, places.size());
        }
        std::ranges::sort(places);
        std::vector<Step> ordered;
        ordered.reserve(places.size());
        for (const auto& place : places) {
            ordered.push_back(launch_.steps[place.second]);
        }
        launch_.steps = std::move(ordered);
    }

    /// The table goes into a page that the file brings, as cloud-hypervisor writes it.
    void kernel_hashes() {
        const u64 at = vmm_.kernel_hashes_at;
        if (at == 0) {
            error_ = fmt::format("found a kernel, expected none: {} puts no hashes of one into an "
                                 "IGVM guest",
                                 vmm_.name);
            return;
        }
        const u64 gpa   = at & ~(page_size - 1);
        const auto step = std::ranges::find_if(launch_.steps, [&](const Step& own) {
            return own.type != PageType::vmsa && own.gpa == gpa && own.pages == 1;
        });
        if (step == launch_.steps.end()) {
            error_ =
                fmt::format("found no page at {:#x}, expected one: {} writes the hashes of the "
                            "kernel to {:#x}",
                            gpa, vmm_.name, at);
            return;
        }
        auto& page = launch_.owned.emplace_back(page_size);
        std::ranges::copy(step->data, page.begin());
        std::ranges::copy(hash_table_, page.begin() + static_cast<std::ptrdiff_t>(at - gpa));
        step->type = step->type == PageType::zero ? PageType::normal : step->type;
        step->data = page;
        step->what = "kernel hashes";
    }

    void page_data(const Header& header, const PageData& page) {
        const bool zero   = page.file_offset == 0;
        const bool shared = (page.flags & PageData::shared) != 0;
        if (shared && !vmm_.measures_shared) {
            return;
        }
        if (shared) {
            note(header, "{} takes no notice of the shared flag", vmm_.name);
        }
        const bool large = (page.flags & PageData::is_2mb_page) != 0;
        Step step{.type         = PageType::normal,
                  .gpa          = page.gpa,
                  .pages        = large && !vmm_.one_page_each ? small_pages_in_large : 1,
                  .data         = file_.data(page),
                  .what         = zero ? "zero page" : "page",
                  .header_index = header.index};
        if (page.data_type != PageDataType::normal) {
            const bool secrets = page.data_type == PageDataType::secrets;
            step.type          = secrets ? PageType::secrets : PageType::cpuid;
            step.what          = secrets ? "secrets" : "CPUID";
            if (!snp_) {
                note(header, "{} pages are for SEV-SNP alone; loaders refuse them here", step.what);
            }
        } else if ((page.flags & PageData::unmeasured) != 0) {
            step.type = PageType::unmeasured;
        } else if (zero && snp_) {
            step.type = vmm_.empty_page;
        }
        const bool goes_on = !run_.empty() && header.index == run_.back().header_index + 1
                             && page.gpa == run_end_ && page.flags == run_flags_
                             && page.data_type == run_type_ && page.compatibility_mask == run_mask_
                             && zero == run_zero_;
        if (!goes_on) {
            close_run();
        }
        run_end_ = page.gpa + step.pages * page_size;
        // Of a large page's data 4096 bytes reach the monitor, which fills up with zeros.
        if (step.pages > 1 && !zero) {
            Step rest = step;
            rest.gpa += page_size;
            rest.pages -= 1;
            rest.data  = {};
            step.pages = 1;
            run_.push_back(step);
            run_.push_back(rest);
        } else {
            run_.push_back(step);
        }
        run_flags_ = page.flags;
        run_type_  = page.data_type;
        run_mask_  = page.compatibility_mask;
        run_zero_  = zero;
    }

    void close_run() {
        launch_.steps.insert(launch_.steps.end(), run_.begin(), run_.end());
        run_.clear();
    }

    void vp_context(const Header& header, const VpContext& context) {
        const bool first_alone = vmm_.only_first_vp && context.vp_index != 0;
        if (options_.platform == PlatformType::sev
            || (first_alone && vmm_.contexts == Contexts::every_vcpu)) {
            note(header, "{} does not load the context of VP {}", vmm_.name, context.vp_index);
            return;
        }
        if (++context_count_ > max_vcpus) {
            error_ =
                fmt::format("offset {:#x} (header {}): found VP context {}, expected at most {}",
                            header.offset, header.index, context_count_, max_vcpus);
            return;
        }
        auto vmsa = load<x86::Vmsa>(file_.data(context.file_offset, page_size));
        if (first_alone) {
            note(header, "{} measures a page of zeros for VP {}", vmm_.name, context.vp_index);
            add_vmsa({}, context.vp_index, context.gpa, header.index);
            return;
        }
        if (vmm_.contexts == Contexts::in_file_order) {
            if (options_.sev_features) {
                vmsa.sev_features = *options_.sev_features;
            }
            close_run();
            add_vmsa(vmsa, context.vp_index, context.gpa, header.index);
            return;
        }
        contexts_[context.vp_index] = {.vmsa = vmsa, .header_index = header.index};
        if (context.gpa != x86::vmsa_gpa) {
            note(header, "KVM measures the VMSA at {:#x}, not at {:#x}", x86::vmsa_gpa,
                 context.gpa);
        }
    }

    /// Every vCPU has a VMSA under KVM, whether or not the file says what is in it.
    void vcpus() {
        if (vmm_.contexts == Contexts::in_file_order) {
            const auto count =
                static_cast<u32>(std::ranges::count(launch_.steps, PageType::vmsa, &Step::type));
            if (options_.vcpus && *options_.vcpus != count) {
                error_ = fmt::format("found {} VP contexts, expected {}: what other vCPUs hold is "
                                     "the monitor's choice, name it with --vmm",
                                     count, *options_.vcpus);
            }
            return;
        }
        const u32 brought = contexts_.empty() ? 1 : contexts_.rbegin()->first + 1;
        const u32 count   = options_.vcpus.value_or(brought);
        if (count > max_vcpus) {
            error_ = fmt::format("found {} vCPUs, expected at most {}", count, max_vcpus);
            return;
        }
        const u64 implied  = contexts_.contains(0) ? contexts_.at(0).vmsa.sev_features
                                                   : (snp_ ? x86::SevStatus::snp >> 2 : 0);
        const u64 features = options_.sev_features.value_or(implied);
        launch_.steps.reserve(launch_.steps.size() + count);
        std::optional<std::span<const u8>> same;
        for (u32 vcpu = 0; vcpu < count; ++vcpu) {
            const auto given = contexts_.find(vcpu);
            if (given == contexts_.end() && same) {
                launch_.steps.push_back({.type = PageType::vmsa,
                                         .gpa  = x86::vmsa_gpa,
                                         .data = *same,
                                         .what = "VMSA as at reset",
                                         .vcpu = vcpu});
                continue;
            }
            x86::Vmsa vmsa = given != contexts_.end()
                                 ? given->second.vmsa
                                 : reset_vmsa(*vmm_.reset, {.start_address = reset_vector,
                                                            .cpu_signature = options_.cpu_signature,
                                                            .sev_features  = features});
            // One value for all: KVM_SEV_INIT2 takes it before there is a vCPU.
            vmsa.sev_features = features;
            const u32 index =
                given != contexts_.end() ? given->second.header_index : Error::no_header;
            note_changes(vcpu, pass_through(vmsa, vmm_.vmm, options_.platform));
            add_vmsa(vmsa, vcpu, x86::vmsa_gpa, index);
            if (given == contexts_.end()) {
                same                      = launch_.steps.back().data;
                launch_.steps.back().what = "VMSA as at reset";
            }
        }
        if (contexts_.size() > count
            || (!contexts_.empty() && contexts_.rbegin()->first >= count)) {
            note(fmt::format("the file has a context for VP {}, and there are {} vCPUs",
                             contexts_.rbegin()->first, count));
        }
    }

    void add_vmsa(const x86::Vmsa& vmsa, u32 vcpu, u64 gpa, u32 header_index) {
        auto& page = launch_.owned.emplace_back(sizeof(vmsa));
        std::memcpy(page.data(), &vmsa, sizeof(vmsa));
        launch_.steps.push_back({.type         = PageType::vmsa,
                                 .gpa          = gpa,
                                 .data         = page,
                                 .what         = "VMSA",
                                 .header_index = header_index,
                                 .vcpu         = vcpu});
    }

    void note_changes(u32 vcpu, const std::vector<VmsaChange>& changes) {
        for (const VmsaChange& change : changes) {
            const bool refused = is_refusal(change.effect->effect);
            note(fmt::format("vCPU {}, {} at {:#x} of the VMSA: {:#x} {} {:#x}: {}", vcpu,
                             change.effect->field, change.offset, change.before,
                             refused ? "is refused, expected" : "becomes", change.after,
                             change.effect->who));
        }
    }

    template <class... T>
    void note(const Header& header, fmt::format_string<T...> text, T&&... values) {
        note(fmt::format("offset {:#x} (header {}): ", header.offset, header.index)
             + fmt::format(text, std::forward<T>(values)...));
    }

    /// A file made to be refused must not fill the memory with reasons.
    void note(std::string text) {
        constexpr u64 enough = 100;
        if (launch_.notes.size() < enough) {
            launch_.notes.push_back(std::move(text));
        } else if (launch_.notes.size() == enough) {
            launch_.notes.emplace_back("and more");
        }
    }

    struct Context {
        x86::Vmsa vmsa;
        u32 header_index;
    };

    const File& file_;
    const LaunchOptions& options_;
    const VmmProfile& vmm_;
    std::span<const u8> hash_table_;
    bool snp_;
    Launch launch_;
    std::string error_;
    std::map<u32, Context> contexts_;
    u32 context_count_ = 0;

    // Pages that QEMU has read and not launched yet; with other monitors it is always short.
    std::vector<Step> run_;
    u64 run_end_           = 0;
    u32 run_flags_         = 0;
    PageDataType run_type_ = PageDataType::normal;
    u32 run_mask_          = 0;
    bool run_zero_         = false;
};
} // namespace

PlatformType strongest_platform(const File& file) {
    for (const PlatformType platform :
         {PlatformType::sev_snp, PlatformType::sev_es, PlatformType::sev}) {
        if (file.mask_of(platform) != 0) {
            return platform;
        }
    }
    return PlatformType::native;
}

std::expected<Launch, std::string> launch_of(const File& file, const LaunchOptions& options,
                                             std::span<const u8> hash_table) {
    const VmmProfile& vmm = options.vmm;
    if (!is_measured(options.platform)) {
        return std::unexpected("found no platform that measures, expected SEV, SEV_ES or SEV_SNP");
    }
    if (file.mask_of(options.platform) == 0) {
        return std::unexpected("this platform is not among those that the file supports");
    }
    if (!vmm.loads_igvm) {
        return std::unexpected(fmt::format("{} loads no IGVM files", vmm.name));
    }
    const bool snp = options.platform == PlatformType::sev_snp;
    if (snp ? !vmm.has_snp : !vmm.has_sev_es) {
        return std::unexpected(
            fmt::format("{} has no {}", vmm.name, snp ? "SEV-SNP" : "SEV and SEV-ES"));
    }
    return Composer(file, options, hash_table).run();
}

} // namespace vestibule::igvm
