// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/loading/loader.h"

#include "igvm/format/reader.h"
#include "igvm/format/vp_context.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/loading/direct_boot.h"
#include "sevsim/monitor/loading/igvm_parameters.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/processor/sev_features.h"
#include "sevsim/monitor/processor/vmsa.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/cpuid_page.h"
#include "sevsim/monitor/secure_processor/launch.h"
#include "x86/page_table.h"

#include <algorithm>

#include <string_view>

namespace vestibule::sevsim {

namespace {

/// Where a page of the file goes. Under SEV-ES and SEV-SNP the launch encrypts it: it lands in the
/// private view.
u8* destination(Vcpu& vcpu, u64 gpa) {
    if (!is_guest_memory(gpa)) {
        end_run_by_monitor_error("a page of the file lies outside guest memory: try more --memory");
    }
    return vcpu.options.is_native() ? layout::at_physical(gpa) : private_memory(gpa);
}

/// As QEMU has it, a native guest's page outside of RAM becomes RAM that no map tells of. The same
/// page again is the same memory.
u8* native_page(u64 gpa) {
    struct Added {
        u64 gpa;
        u8* memory;
    };

    static constinit Added added[16]{}; // the latest; files have them in runs
    static constinit unsigned next = 0;
    for (const Added& known : added) {
        if (known.memory != nullptr && known.gpa == gpa) {
            return known.memory;
        }
    }
    u8* const memory                 = add_native_page(gpa);
    added[next++ % std::size(added)] = {gpa, memory};
    return memory;
}

/// A page of the hypervisor's, which a launch for SEV-SNP leaves out.
void load_shared_page(u64 gpa, std::span<const u8> from) {
    u8* const to = shared_memory(gpa);
    memset(to, 0, page_size);
    memcpy(to, from.data(), from.size());
}

/// Pages of SEV-SNP: what a type stands for is the secure processor's to fill in.
void fill_page(Vcpu& vcpu, igvm::PageDataType type, std::span<const u8> from, u8* to) {
    switch (type) {
    case igvm::PageDataType::secrets: fill_secrets_page(vcpu.options, to); return;
    case igvm::PageDataType::cpuid_data:
    case igvm::PageDataType::cpuid_xf: fill_cpuid_page(vcpu, to); return;
    case igvm::PageDataType::normal: break;
    }
    memset(to, 0, page_size);
    memcpy(to, from.data(), from.size());
}

/// Ends the run over a header of the file: its name and place, what is wrong with it, and what
/// would help.
[[noreturn]] void refuse(const igvm::Header& header, std::string_view why) {
    char text[256];
    size_t size    = 0;
    const auto add = [&](std::string_view part) {
        for (const char character : part) {
            if (size < sizeof text) {
                text[size++] = character;
            }
        }
    };
    add(header.row().name);
    add(" at offset 0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        const u64 rest = header.offset >> shift;
        if (rest != 0 || shift == 0) {
            add({&"0123456789abcdef"[rest & 0xF], 1});
        }
    }
    add(": ");
    add(why);
    end_run_by_monitor_error({text, size});
}

/// What to do about a directive that this machine does not serve.
std::string_view way_round(igvm::HeaderType type) {
    using enum igvm::HeaderType;
    switch (type) {
    case vbs_measurement: return "for VBS only: build for the platforms native, sev-es and sev-snp";
    case snp_id_block: return "for SEV-SNP only (--platform sev-snp)";
    default: return "this machine's loader does not know what to do with it";
    }
}

void load_page(Vcpu& vcpu, const igvm::File& file, const igvm::Header& header,
               const igvm::PageData& page) {
    constexpr u32 unencrypted = igvm::PageData::unmeasured | igvm::PageData::shared;
    const bool is_snp         = vcpu.options.is_snp();
    const bool is_shared      = (page.flags & igvm::PageData::shared) != 0;
    const bool is_large       = (page.flags & igvm::PageData::is_2mb_page) != 0;
    if (!vcpu.options.is_native() && !is_snp && (page.flags & unencrypted) != 0) {
        refuse(header, "an unmeasured or shared page: SEV and SEV-ES launch none");
    }
    const bool is_native = vcpu.options.is_native();
    const u64 last       = page.gpa + (is_large ? x86::large_page_size - page_size : 0);
    if (last < page.gpa || (!is_native && !is_guest_memory(last))) {
        refuse(header, "the page lies outside guest memory: try more (--memory)");
    }
    if (is_guest_memory(page.gpa) != is_guest_memory(last)) {
        refuse(header, "the page crosses the end of guest memory: try more (--memory)");
    }
    if (!is_snp && page.data_type != igvm::PageDataType::normal) {
        refuse(header, "a page of secrets or of CPUID: only SEV-SNP has them (--platform sev-snp)");
    }
    const auto content = file.data(page);
    const u64 size     = is_large ? x86::large_page_size : page_size;
    for (u64 done = 0; done < size; done += page_size) {
        const u64 gpa = page.gpa + done;
        u8* const to =
            is_native && !is_guest_memory(gpa) ? native_page(gpa) : destination(vcpu, gpa);
        if (to == nullptr) {
            refuse(header,
                   "a page where this machine cannot have memory: natively it has some up "
                   "to 4 GiB, but for the APICs at 0xFEC00000, and no more of it outside of "
                   "--memory than that is");
        }
        const auto from =
            content.size() <= done
                ? std::span<const u8>{}
                : content.subspan(done, std::min<u64>(page_size, content.size() - done));
        if (is_snp && is_shared) {
            load_shared_page(gpa, from);
            continue;
        }
        fill_page(vcpu, page.data_type, from, to);
        leaks::plant(vcpu.options, to);
        if (is_snp) {
            reverse_map::launch(gpa, page_size);
        }
    }
}

/// Under SEV-SNP unmeasured pages of the launch; under SEV and SEV-ES, which launch none, the
/// hypervisor's own (boot/boot_info.h).
void insert_parameters(Vcpu& vcpu, const igvm::File& file, u32 mask, const igvm::Header& header,
                       const igvm::ParameterInsert& insert) {
    const igvm::ParameterArea area = parameter_area(file, mask, insert.parameter_area_index);
    static constinit u8 page[page_size]{};
    for (u64 done = 0; done < area.number_of_bytes; done += page_size) {
        const u64 gpa = insert.gpa + done;
        if (!is_guest_memory(gpa)) {
            refuse(header, "parameters lie outside guest memory: try more (--memory)");
        }
        const auto fault = fill_parameter_page(file, mask, area, vcpu.options, done, page);
        if (fault) {
            refuse(fault->header, fault->why);
        }
        if (vcpu.options.is_native() || vcpu.options.is_snp()) {
            memcpy(destination(vcpu, gpa), page, page_size);
        } else {
            load_shared_page(gpa, page);
        }
        if (vcpu.options.is_snp()) {
            reverse_map::launch(gpa, page_size);
        }
    }
}

/// Memory that the guest finds assigned, so that it need not ask for it, but not validated. None of
/// it is touched before the guest does: the host has as much as that takes.
void require_memory(Vcpu& vcpu, const igvm::Header& header, const igvm::RequiredMemory& range) {
    for (u64 done = 0; done < range.number_of_bytes; done += page_size) {
        const u64 gpa = range.gpa + done;
        if (!is_guest_memory(gpa)) {
            refuse(header, "memory that the guest does not have: try more (--memory)");
        }
        if (vcpu.options.is_snp() && !reverse_map::at(gpa).validated) {
            reverse_map::at(gpa).assigned = true;
        }
    }
}

x86::Segment segment(const igvm::NativeSegment& from) {
    return {from.selector, x86::vmsa_attributes(from.attributes), from.limit, from.base};
}

/// What the context does not hold has its reset value.
void load_native_context(Vcpu& vcpu, std::span<const u8> bytes) {
    const auto context = igvm::load<igvm::NativeVpContext>(bytes);
    reset(vcpu);
    x86::Vmsa& state = vcpu.state();
    state.cs         = segment(context.code);
    state.ds         = segment(context.data);
    state.es = state.fs = state.gs = state.ss = state.ds;
    state.gdtr.limit                          = context.gdtr_limit;
    state.gdtr.base                           = context.gdtr_base;
    state.idtr.limit                          = context.idtr_limit;
    state.idtr.base                           = context.idtr_base;
    state.efer                                = context.efer | x86::efer::svme;
    state.cr0                                 = context.cr0;
    state.cr4                                 = context.cr4;
    state.rflags                              = context.rflags;
    state.rip                                 = context.rip;
    state.rsp                                 = context.rsp;
    state.rax                                 = context.rax;
    vcpu.registers = {context.rcx, context.rdx, context.rbx, context.rbp, context.rsi,
                      context.rdi, context.r8,  context.r9,  context.r10, context.r11,
                      context.r12, context.r13, context.r14, context.r15};
    vcpu.set_cr3(context.cr3);
}

void load_context(Vcpu& vcpu, const igvm::File& file, const igvm::VpContext& context) {
    const auto bytes = file.data(context.file_offset, page_size);
    if (vcpu.options.is_native()) {
        load_native_context(vcpu, bytes);
    } else {
        const auto vmsa = igvm::load<x86::Vmsa>(bytes);
        if (const char* feature = refused_feature(vcpu.options, vmsa.sev_features)) {
            end_run_by_monitor_error(feature);
        }
        if (const char* fault = vmsa_fault(vmsa)) {
            end_run_by_monitor_error(fault);
        }
        vcpu.options.sev_features = vmsa.sev_features;
        vcpu.vmpl                 = vmsa.vmpl;
        load_vmsa(vcpu, vmsa);
        apply_features(vcpu);
    }
    vcpu.ghcb_msr = ghcb_msr_at_reset(vcpu.options);
}

} // namespace

namespace {

struct PlatformRow {
    igvm::PlatformType type;
    const char* missing;
};

constexpr PlatformRow platform_rows[] = {
    // by Platform
    {igvm::PlatformType::native,  "the file is not for the NATIVE platform" },
    {igvm::PlatformType::sev,     "the file is not for the SEV platform"    },
    {igvm::PlatformType::sev_es,  "the file is not for the SEV-ES platform" },
    {igvm::PlatformType::sev_snp, "the file is not for the SEV-SNP platform"},
};

} // namespace

void load_igvm(std::span<Vcpu> vcpus, const GuestFiles& files) {
    Vcpu& vcpu      = vcpus[0];
    const auto file = igvm::parse(files.guest);
    if (!file) {
        end_run_by_monitor_error(file.error().expected());
    }
    const PlatformRow& platform = platform_rows[static_cast<unsigned>(vcpu.options.platform)];
    const u32 mask              = file->mask_of(platform.type);
    if (mask == 0) {
        end_run_by_monitor_error(platform.missing);
    }
    size_t contexts = 0;
    for (const igvm::Header header : file->directives(mask)) {
        if (const auto page = header.as<igvm::PageData>()) {
            load_page(vcpu, *file, header, *page);
        } else if (const auto context = header.as<igvm::VpContext>()) {
            if (context->vp_index >= vcpus.size()) {
                refuse(header, "a context for a vCPU that this machine does not have: try more "
                               "(--smp)");
            }
            load_context(vcpus[context->vp_index], *file, *context);
            ++contexts;
        } else if (const auto range = header.as<igvm::RequiredMemory>()) {
            require_memory(vcpu, header, *range);
        } else if (const auto insert = header.as<igvm::ParameterInsert>()) {
            insert_parameters(vcpu, *file, mask, header, *insert);
        } else if (header.as<igvm::ParameterArea>() || header.as<igvm::ParameterUsage>()
                   || header.type == igvm::HeaderType::error_range) {
            // What is deposited is looked up where the area is inserted. An error range is where
            // Hyper-V would put its own pages.
        } else if (header.type != igvm::HeaderType::snp_id_block || !vcpu.options.is_snp()) {
            // An ID block was the host command's to check (sevsim/snp_launch.h).
            refuse(header, way_round(header.type));
        }
    }
    if (contexts == 0 && vcpu.options.is_native()) {
        reset(vcpu); // to the reset vector, as in QEMU
        vcpu.ghcb_msr = ghcb_msr_at_reset(vcpu.options);
    } else if (contexts != vcpus.size()) {
        end_run_by_monitor_error("the file has not one context for each vCPU (--smp)");
    }
    prepare_direct_boot(vcpu, files);
}

} // namespace vestibule::sevsim
