// SPDX-License-Identifier: BSD-2-Clause-Patent
// See loader_models.h.
#include "tests/igvm/tool/loader_models.h"

#include "x86/registers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <openssl/evp.h>
#include <set>

namespace vestibule::igvm::test {

namespace {

constexpr u64 kvm_vmsa_gpa = 0xFFFF'FFFF'F000;

enum class Kind : u8 { normal = 1, vmsa = 2, zero = 3, unmeasured = 4, secrets = 5, cpuid = 6 };

LoaderBytes hash(const EVP_MD* algorithm, std::span<const u8> bytes) {
    LoaderBytes digest(static_cast<size_t>(EVP_MD_get_size(algorithm)));
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, algorithm, nullptr);
    return digest;
}

template <class T>
T read(std::span<const u8> bytes, u64 offset = 0) {
    T value;
    std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
    return value;
}

struct Directive {
    u32 type;
    unsigned number; // in the file
    std::span<const u8> content;
};

/// The digest that the firmware keeps of a launch, as its ABI has it.
class Digest {
  public:
    explicit Digest(bool snp) : snp_(snp), chain_(48) {}

    void page(Kind kind, u64 gpa, std::span<const u8> bytes) {
        if (!snp_) {
            all_.insert(all_.end(), bytes.begin(), bytes.end());
            return;
        }
        const bool hashed = kind == Kind::normal || kind == Kind::vmsa;
        LoaderBytes info  = chain_;
        const auto add    = [&](std::span<const u8> part) {
            info.insert(info.end(), part.begin(), part.end());
        };
        add(hashed ? hash(EVP_sha384(), bytes) : LoaderBytes(48));
        add(std::array<u8, 8>{0x70, 0, static_cast<u8>(kind), 0, 0, 0, 0, 0});
        for (unsigned byte = 0; byte < 8; ++byte) {
            info.push_back(static_cast<u8>(gpa >> (8 * byte)));
        }
        chain_ = hash(EVP_sha384(), info);
    }

    [[nodiscard]] LoaderBytes finish() const { return snp_ ? chain_ : hash(EVP_sha256(), all_); }

  private:
    bool snp_;
    LoaderBytes chain_;
    LoaderBytes all_;
};

constexpr u64 gib = u64{1} << 30;

/// What the models have in common: the walk, areas of parameters, and the guest that comes out.
class Loader {
  public:
    /// `low` of the machine's memory lie below the devices.
    Loader(std::span<const u8> file, const LoaderMachine& machine, u64 low)
        : file_(file), machine_(machine),
          ram_{
              Ram{.base = 0,       .size = low                 },
              Ram{.base = 4 * gib, .size = machine.memory - low}
    },
          snp_(machine.platform == PlatformType::sev_snp), digest_(snp_) {
        const auto fixed = read<FixedHeader>(file);
        u64 at           = fixed.variable_header_offset;
        for (unsigned number = 0;
             at < u64{fixed.variable_header_offset} + fixed.variable_header_size; ++number) {
            const u32 type = read<u32>(file, at);
            const u32 size = read<u32>(file, at + 4);
            headers_.push_back(
                {.type = type, .number = number, .content = file.subspan(at + 8, size)});
            at += 8 + (size + 7) / 8 * 8;
        }
        for (const Directive& header : headers_) {
            if (header.type == 0x001) {
                const auto platform = read<SupportedPlatform>(header.content);
                if (platform.platform_type == machine.platform) {
                    mask_     = platform.compatibility_mask;
                    platform_ = platform;
                }
            }
        }
        if (mask_ == 0) {
            refuse("the platform is not among the file's");
        }
    }

  protected:
    void refuse(const std::string& why) {
        if (guest_.refusal.empty()) {
            guest_.refusal = why;
        }
    }

    [[nodiscard]] bool refused() const { return !guest_.refusal.empty(); }

    [[nodiscard]] bool is_mine(u32 mask) const { return (mask & mask_) != 0; }

    [[nodiscard]] LoaderBytes data(u32 offset, u64 size) const {
        const auto bytes = file_.subspan(offset, size);
        return {bytes.begin(), bytes.end()};
    }

    LoaderBytes& area(u32 index) {
        const auto found = areas_.find(index);
        if (found == areas_.end()) {
            refuse("a parameter area that is not there, or not any more");
            static LoaderBytes nothing;
            return nothing;
        }
        return found->second;
    }

    void deposit(const ParameterUsage& usage, u64 offset, std::span<const u8> bytes) {
        LoaderBytes& to = area(usage.parameter_area_index);
        if (offset + bytes.size() > to.size()) {
            refuse("a parameter that is larger than its area");
            return;
        }
        std::ranges::copy(bytes, to.begin() + static_cast<std::ptrdiff_t>(offset));
    }

    [[nodiscard]] LoaderBytes number(u32 value) const {
        LoaderBytes bytes(4);
        std::memcpy(bytes.data(), &value, 4);
        return bytes;
    }

    /// Without the PC's hole below 1 MiB, as these machines have it.
    [[nodiscard]] LoaderBytes memory_map() const {
        LoaderBytes bytes;
        for (const Ram& ram : ram_) {
            const u64 entry[3] = {ram.base / page_size, ram.size / page_size, 0};
            if (ram.size != 0) {
                const auto at = bytes.size();
                bytes.resize(at + sizeof entry);
                std::memcpy(&bytes[at], &entry, sizeof entry);
            }
        }
        return bytes;
    }

    /// How much of these bytes is RAM.
    [[nodiscard]] u64 in_ram(u64 gpa, u64 size) const {
        u64 bytes = 0;
        for (const Ram& ram : ram_) {
            const u64 first = std::max(gpa, ram.base);
            const u64 end   = std::min(gpa + size, ram.base + ram.size);
            bytes += first < end ? end - first : 0;
        }
        return bytes;
    }

    void write(u64 gpa, std::span<const u8> bytes) {
        for (u64 at = 0; at < bytes.size(); at += page_size) {
            const auto page         = bytes.subspan(at, page_size);
            guest_.memory[gpa + at] = {page.begin(), page.end()};
        }
    }

    void launch(Kind kind, u64 gpa, std::span<const u8> bytes) {
        for (u64 at = 0; at < bytes.size(); at += page_size) {
            digest_.page(kind, gpa + at, bytes.subspan(at, page_size));
            guest_.launched.push_back(gpa + at);
        }
    }

    /// KVM on the way of registers into a VMSA, at SNP_LAUNCH_FINISH or LAUNCH_UPDATE_VMSA.
    void measure_vmsas() {
        for (auto& [vp, vmsa] : guest_.vmsas) {
            vmsa.efer |= x86::efer::svme;
            vmsa.cr4 |= x86::cr4::mce;
            vmsa.cr0 |= x86::cr0::et;
            vmsa.tr.base = vmsa.ldtr.base;
            digest_.page(Kind::vmsa, kvm_vmsa_gpa,
                         {reinterpret_cast<const u8*>(&vmsa), sizeof(vmsa)}); // NOLINT
        }
    }

    LoadedGuest finish() {
        guest_.launch_digest = digest_.finish();
        return std::move(guest_);
    }

    struct Ram {
        u64 base;
        u64 size;
    };

    std::span<const u8> file_;
    const LoaderMachine& machine_;
    std::array<Ram, 2> ram_;
    bool snp_;
    u32 mask_ = 0;
    SupportedPlatform platform_{};
    std::vector<Directive> headers_;
    std::map<u32, LoaderBytes> areas_;
    LoadedGuest guest_;
    Digest digest_;
};

/// Whether all but these fields of the save area are zero: what a loader cannot pass on.
class OnlyFields {
  public:
    explicit OnlyFields(const x86::Vmsa& vmsa) : rest_(vmsa) {}

    template <class Field>
    OnlyFields& may(Field x86::Vmsa::* field) {
        std::memset(&(rest_.*field), 0, sizeof(rest_.*field));
        return *this;
    }

    OnlyFields& may_segments() {
        return may(&x86::Vmsa::es)
            .may(&x86::Vmsa::cs)
            .may(&x86::Vmsa::ss)
            .may(&x86::Vmsa::ds)
            .may(&x86::Vmsa::fs)
            .may(&x86::Vmsa::gs)
            .may(&x86::Vmsa::gdtr)
            .may(&x86::Vmsa::ldtr)
            .may(&x86::Vmsa::idtr)
            .may(&x86::Vmsa::tr);
    }

    OnlyFields& may_registers() {
        return may(&x86::Vmsa::rsp)
            .may(&x86::Vmsa::rax)
            .may(&x86::Vmsa::rcx)
            .may(&x86::Vmsa::rdx)
            .may(&x86::Vmsa::rbx)
            .may(&x86::Vmsa::rbp)
            .may(&x86::Vmsa::rsi)
            .may(&x86::Vmsa::rdi)
            .may(&x86::Vmsa::r8)
            .may(&x86::Vmsa::r9)
            .may(&x86::Vmsa::r10)
            .may(&x86::Vmsa::r11)
            .may(&x86::Vmsa::r12)
            .may(&x86::Vmsa::r13)
            .may(&x86::Vmsa::r14)
            .may(&x86::Vmsa::r15)
            .may(&x86::Vmsa::rip)
            .may(&x86::Vmsa::rflags);
    }

    OnlyFields& may_control() {
        return may(&x86::Vmsa::efer)
            .may(&x86::Vmsa::cr0)
            .may(&x86::Vmsa::cr3)
            .may(&x86::Vmsa::cr4)
            .may(&x86::Vmsa::sev_features);
    }

    [[nodiscard]] bool hold() const {
        const std::span bytes(reinterpret_cast<const u8*>(&rest_), sizeof(rest_)); // NOLINT
        return std::ranges::all_of(bytes.first(0x670), [](u8 byte) { return byte == 0; });
    }

  private:
    x86::Vmsa rest_;
};

/// What a vCPU has in these fields without being told.
bool are_as_at_reset(const x86::Vmsa& vmsa) {
    return vmsa.dr6 == 0xFFFF'0FF0 && vmsa.dr7 == 0x400 && vmsa.g_pat == 0x0007'0406'0007'0406
           && vmsa.xcr0 == 1 && vmsa.mxcsr == 0x1F80 && vmsa.x87_fcw == 0x37F;
}

class Qemu : public Loader {
  public:
    using Loader::Loader;

    LoadedGuest load() {
        constexpr std::array<u32, 11> known = {0x301, 0x302, 0x303, 0x304, 0x305, 0x307,
                                               0x309, 0x30B, 0x30C, 0x312, 0x313};
        for (const Directive& header : headers_) {
            if (header.type > 0x100 && header.type <= 0x200 && header.type != 0x101) {
                refuse("an initialization header that is not known");
            }
            if (header.type > 0x300 && std::ranges::find(known, header.type) == known.end()) {
                refuse("a directive that is not known, whatever platform it is for");
            }
        }
        for (const Directive& header : headers_) {
            if (header.type > 0x300 && !refused()) {
                directive(header);
            }
        }
        flush();
        if (machine_.platform != PlatformType::native) {
            measure_vmsas();
        }
        return finish();
    }

  private:
    struct Run {
        PageData first;
        unsigned last_header;
        LoaderBytes bytes;
    };

    void directive(const Directive& header) {
        switch (header.type) {
        case 0x301: {
            const auto own                   = read<ParameterArea>(header.content);
            areas_[own.parameter_area_index] = LoaderBytes(own.number_of_bytes); // no initial data
            break;
        }
        case 0x302: page(header, read<PageData>(header.content)); break;
        case 0x303: insert(read<ParameterInsert>(header.content)); break;
        case 0x304: context(read<VpContext>(header.content)); break;
        case 0x307: {
            const auto own = read<ParameterUsage>(header.content);
            deposit(own, own.byte_offset, number(machine_.vcpus));
            break;
        }
        case 0x313: {
            const auto own = read<ParameterUsage>(header.content);
            deposit(own, own.byte_offset, number(1));
            break;
        }
        case 0x30C: deposit(read<ParameterUsage>(header.content), 0, memory_map()); break;
        case 0x305: require(read<RequiredMemory>(header.content)); break;
        case 0x312: refuse("a device tree, on a PC"); break;
        default: break; // an ID block: another launch's business
        }
    }

    /// As for pages: all of it is RAM, or becomes RAM.
    void require(const RequiredMemory& own) {
        const u64 in = in_ram(own.gpa, own.number_of_bytes);
        if (in == 0) {
            guest_.ram_beyond += own.number_of_bytes / page_size;
        } else if (in != own.number_of_bytes) {
            refuse("required memory that crosses the end of RAM");
        }
    }

    /// Pages are written when a run of them has ended, which is known at the next page.
    void page(const Directive& header, const PageData& own) {
        if (!is_mine(own.compatibility_mask)) {
            return;
        }
        const bool same = run_ && own.gpa == run_->first.gpa + run_->bytes.size()
                          && own.flags == run_->first.flags
                          && own.data_type == run_->first.data_type
                          && own.compatibility_mask == run_->first.compatibility_mask
                          && (own.file_offset == 0) == (run_->first.file_offset == 0)
                          && header.number == run_->last_header + 1;
        if (!same) {
            flush();
            run_ = Run{.first = own, .last_header = header.number, .bytes = {}};
        }
        const LoaderBytes bytes =
            own.file_offset == 0 ? LoaderBytes(page_size) : data(own.file_offset, page_size);
        run_->bytes.insert(run_->bytes.end(), bytes.begin(), bytes.end());
        run_->last_header = header.number;
    }

    void flush() {
        if (!run_ || refused()) {
            return;
        }
        const PageData own = run_->first;
        const u64 in       = in_ram(own.gpa, run_->bytes.size());
        if (in == 0) {
            guest_.ram_beyond += run_->bytes.size() / page_size;
        } else if (in != run_->bytes.size()) {
            refuse("a run of pages that crosses the end of RAM");
        }
        const bool normal     = own.data_type == PageDataType::normal;
        const bool unmeasured = (own.flags & PageData::unmeasured) != 0;
        if (!normal && !snp_) {
            refuse("a page of secrets or of CPUID, without SEV-SNP");
        }
        write(own.gpa, run_->bytes);
        if (snp_ || (machine_.platform == PlatformType::sev_es && !unmeasured)) {
            const Kind kind = own.data_type == PageDataType::secrets ? Kind::secrets
                              : !normal                              ? Kind::cpuid
                              : unmeasured                           ? Kind::unmeasured
                                                                     : Kind::normal;
            launch(kind, own.gpa, run_->bytes);
        }
        run_.reset();
    }

    void insert(const ParameterInsert& own) {
        if (!is_mine(own.compatibility_mask)) {
            return;
        }
        const LoaderBytes bytes = area(own.parameter_area_index);
        areas_.erase(own.parameter_area_index);
        write(own.gpa, bytes);
        if (snp_) {
            launch(Kind::unmeasured, own.gpa, bytes);
        }
    }

    void context(const VpContext& own) {
        if (!is_mine(own.compatibility_mask)) {
            return;
        }
        const LoaderBytes bytes = data(own.file_offset, page_size);
        if (machine_.platform == PlatformType::native) {
            if (own.vp_index != 0) {
                refuse("a native context for another VP than 0");
            }
            guest_.native_context = bytes;
            return;
        }
        const auto vmsa = read<x86::Vmsa>(bytes);
        const bool fits = OnlyFields(vmsa)
                              .may_segments()
                              .may_registers()
                              .may_control()
                              .may(&x86::Vmsa::xcr0)
                              .may(&x86::Vmsa::dr6)
                              .may(&x86::Vmsa::dr7)
                              .may(&x86::Vmsa::g_pat)
                              .may(&x86::Vmsa::x87_fcw)
                              .may(&x86::Vmsa::mxcsr)
                              .hold();
        if (own.gpa != kvm_vmsa_gpa || own.vp_index >= machine_.vcpus || !fits
            || (vmsa.sev_features & 1) != (snp_ ? 1 : 0) || vmsa.dr7 != 0x400) {
            refuse("a VMSA that KVM would not have as it is");
        }
        guest_.vmsas[own.vp_index] = vmsa;
    }

    std::optional<Run> run_;
};

/// What cloud-hypervisor and OpenVMM have in common: the igvm crate drops what is for other
/// platforms, and directives take effect in the file's order.
class CrateLoader : public Loader {
  public:
    using Loader::Loader;

  protected:
    [[nodiscard]] bool applies(const Directive& header) const {
        switch (header.type) {
        case 0x302: return is_mine(read<PageData>(header.content).compatibility_mask);
        case 0x303: return is_mine(read<ParameterInsert>(header.content).compatibility_mask);
        case 0x304: return is_mine(read<VpContext>(header.content).compatibility_mask);
        case 0x305: return is_mine(read<RequiredMemory>(header.content).compatibility_mask);
        case 0x30B: return is_mine(read<SnpIdBlock>(header.content).compatibility_mask);
        default: return true;
        }
    }

    void declare_area(const ParameterArea& own) {
        areas_[own.parameter_area_index] = own.file_offset != 0
                                               ? data(own.file_offset, own.number_of_bytes)
                                               : LoaderBytes(own.number_of_bytes);
    }

    void insert(const ParameterInsert& own) {
        const LoaderBytes bytes = area(own.parameter_area_index);
        areas_.erase(own.parameter_area_index);
        write(own.gpa, bytes);
        launch(Kind::unmeasured, own.gpa, bytes);
    }

    void require(const RequiredMemory& own) {
        if (in_ram(own.gpa, own.number_of_bytes) != own.number_of_bytes) {
            refuse("required memory that is not there");
        }
    }

    [[nodiscard]] std::optional<u64> policy() const {
        for (const Directive& header : headers_) {
            if (header.type == 0x101
                && is_mine(read<GuestPolicy>(header.content).compatibility_mask)) {
                return read<GuestPolicy>(header.content).policy;
            }
        }
        return std::nullopt;
    }
};

class CloudHypervisor : public CrateLoader {
  public:
    using CrateLoader::CrateLoader;

    LoadedGuest load() {
        if (machine_.platform != PlatformType::sev_snp) {
            refuse("no other platform than SEV-SNP");
        }
        for (const Directive& header : headers_) {
            if (header.type > 0x300 && applies(header) && !refused()) {
                directive(header);
            }
        }
        if (!machine_.kernel_hashes.empty() && !hashes_written_) {
            refuse("no page for the hashes of the kernel");
        }
        measure_vmsas();
        return finish();
    }

  private:
    void directive(const Directive& header) {
        switch (header.type) {
        case 0x301: declare_area(read<ParameterArea>(header.content)); break;
        case 0x302: page(read<PageData>(header.content)); break;
        case 0x303: insert(read<ParameterInsert>(header.content)); break;
        case 0x304: context(read<VpContext>(header.content)); break;
        case 0x305: require(read<RequiredMemory>(header.content)); break;
        case 0x307: {
            const auto own = read<ParameterUsage>(header.content);
            deposit(own, own.byte_offset, number(machine_.vcpus));
            break;
        }
        case 0x30C: {
            const auto own = read<ParameterUsage>(header.content);
            deposit(own, own.byte_offset, memory_map());
            break;
        }
        case 0x30E: {
            const auto own = read<ParameterUsage>(header.content);
            deposit(own, own.byte_offset, LoaderBytes(1));
            break;
        }
        case 0x30B: break;
        default: refuse("a directive at which the program ends");
        }
    }

    void page(const PageData& own) {
        constexpr u64 hash_block = 0x1'0C00;
        LoaderBytes bytes =
            own.file_offset == 0 ? LoaderBytes(page_size) : data(own.file_offset, page_size);
        bool empty = own.file_offset == 0;
        if (own.gpa == (hash_block & ~(page_size - 1)) && !machine_.kernel_hashes.empty()) {
            std::fill(bytes.begin() + hash_block % page_size, bytes.end(), u8{0});
            std::ranges::copy(machine_.kernel_hashes, bytes.begin() + hash_block % page_size);
            hashes_written_ = true;
            empty           = false;
        }
        write(own.gpa, bytes);
        switch (own.data_type) {
        case PageDataType::normal:
            launch((own.flags & PageData::unmeasured) != 0 ? Kind::unmeasured
                   : empty                                 ? Kind::zero
                                                           : Kind::normal,
                   own.gpa, bytes);
            break;
        case PageDataType::secrets: launch(Kind::secrets, own.gpa, bytes); break;
        case PageDataType::cpuid_data: launch(Kind::cpuid, own.gpa, bytes); break;
        case PageDataType::cpuid_xf: refuse("a page type at which the program ends");
        }
    }

    /// By KVM_SET_SREGS and KVM_SET_REGS; the rest is as at reset.
    void context(const VpContext& own) {
        const auto vmsa = read<x86::Vmsa>(data(own.file_offset, page_size));
        const bool told = OnlyFields(vmsa)
                              .may_segments()
                              .may_registers()
                              .may_control()
                              .may(&x86::Vmsa::xcr0)
                              .may(&x86::Vmsa::dr6)
                              .may(&x86::Vmsa::dr7)
                              .may(&x86::Vmsa::g_pat)
                              .may(&x86::Vmsa::x87_fcw)
                              .may(&x86::Vmsa::mxcsr)
                              .hold();
        if (!told || !are_as_at_reset(vmsa)) {
            refuse("a VMSA of which something would be lost");
        }
        guest_.vmsas[own.vp_index] = vmsa;
    }

    bool hashes_written_ = false;
};

class OpenVmm : public CrateLoader {
  public:
    using CrateLoader::CrateLoader;

    LoadedGuest load() {
        if (machine_.platform != PlatformType::sev_snp) {
            refuse("no other platform than SEV-SNP");
        }
        if (platform_.highest_vtl != 0 || platform_.shared_gpa_boundary != 0) {
            refuse("VTLs, or a virtual top of memory");
        }
        if (!policy()) {
            refuse("no policy");
        }
        for (const Directive& header : headers_) {
            if (header.type == 0x102 || header.type == 0x103) {
                refuse("relocation");
            }
            if (header.type > 0x300 && applies(header) && !refused()) {
                directive(header);
            }
        }
        if (contexts_ != 1) {
            refuse("not one VP context");
        }
        measure_vmsas();
        return finish();
    }

  private:
    void directive(const Directive& header) {
        switch (header.type) {
        case 0x301: declare_area(read<ParameterArea>(header.content)); break;
        case 0x302: page(read<PageData>(header.content)); break;
        case 0x303: insert(read<ParameterInsert>(header.content)); break;
        case 0x304: context(read<VpContext>(header.content)); break;
        case 0x305: require(read<RequiredMemory>(header.content)); break;
        case 0x307: put(header, number(machine_.vcpus)); break;
        case 0x313: put(header, number(0)); break;
        case 0x30C: {
            LoaderBytes map = memory_map();
            map.resize(map.size() + 24); // with the entry that ends it
            put(header, map);
            break;
        }
        case 0x30E: put(header, LoaderBytes(1)); break;
        case 0x308:
        case 0x309:
        case 0x30A:
        case 0x30F:
        case 0x310:
        case 0x312:        // its own tables, which nothing of ours asks for
        case 0x30B: break; // and an ID block, of which it takes no notice
        default: refuse("a directive that is not known");
        }
    }

    void put(const Directive& header, const LoaderBytes& bytes) {
        const auto own = read<ParameterUsage>(header.content);
        deposit(own, own.byte_offset, bytes);
    }

    void page(const PageData& own) {
        const LoaderBytes bytes =
            own.file_offset == 0 ? LoaderBytes(page_size) : data(own.file_offset, page_size);
        if ((own.flags & PageData::shared) != 0) {
            return; // the host's
        }
        if (in_ram(own.gpa, page_size) != page_size) {
            refuse("a page outside of RAM");
        }
        write(own.gpa, bytes);
        switch (own.data_type) {
        case PageDataType::normal:
            launch((own.flags & PageData::unmeasured) != 0 ? Kind::unmeasured : Kind::normal,
                   own.gpa, bytes);
            break;
        case PageDataType::secrets: launch(Kind::secrets, own.gpa, bytes); break;
        case PageDataType::cpuid_data: launch(Kind::cpuid, own.gpa, bytes); break;
        case PageDataType::cpuid_xf: refuse("a page of CPUID with XFEATURES");
        }
    }

    void context(const VpContext& own) {
        ++contexts_;
        const auto vmsa = read<x86::Vmsa>(data(own.file_offset, page_size));
        const bool fits = OnlyFields(vmsa)
                              .may_segments()
                              .may_registers()
                              .may_control()
                              .may(&x86::Vmsa::xss)
                              .may(&x86::Vmsa::xcr0)
                              .may(&x86::Vmsa::dr6)
                              .may(&x86::Vmsa::dr7)
                              .may(&x86::Vmsa::g_pat)
                              .may(&x86::Vmsa::mxcsr)
                              .may(&x86::Vmsa::x87_fcw)
                              .may(&x86::Vmsa::vmpl)
                              .may(&x86::Vmsa::cpl)
                              .hold();
        constexpr u64 paging    = x86::cr0::pe | x86::cr0::pg;
        constexpr u64 long_mode = x86::efer::lme | x86::efer::lma | x86::efer::nxe;
        constexpr u16 code      = 1u << 7 | 1u << 9; // present, 64-bit
        if (own.vp_index != 0 || own.gpa != kvm_vmsa_gpa || !fits || (vmsa.cr0 & paging) != paging
            || vmsa.cr3 == 0 || (vmsa.cr4 & x86::cr4::pae) == 0
            || (vmsa.efer & long_mode) != long_mode || (vmsa.cs.attributes & code) != code
            || vmsa.rip == 0 || vmsa.gdtr.limit > 0xFFFF || vmsa.idtr.limit > 0xFFFF) {
            refuse("not a VP in 64-bit mode with paging, by registers that KVM takes");
        }
        guest_.vmsas[0] = vmsa;
    }

    unsigned contexts_ = 0;
};

} // namespace

LoadedGuest load_as_qemu(std::span<const u8> file, const LoaderMachine& machine) {
    const u64 one_piece = 4 * gib - gib / 2;
    return Qemu(file, machine, machine.memory < one_piece ? machine.memory : 3 * gib).load();
}

LoadedGuest load_as_cloud_hypervisor(std::span<const u8> file, const LoaderMachine& machine) {
    return CloudHypervisor(file, machine, std::min(machine.memory, 3 * gib)).load();
}

LoadedGuest load_as_openvmm(std::span<const u8> file, const LoaderMachine& machine) {
    return OpenVmm(file, machine, std::min(machine.memory, 4 * gib - gib / 8)).load();
}

} // namespace vestibule::igvm::test
