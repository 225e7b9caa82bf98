// SPDX-License-Identifier: BSD-2-Clause-Patent
// See model.h. Sections are those of the KVM ABI notes.
#include "tests/launcher/model.h"

#include "igvm/measure/ecdsa.h"
#include "igvm/measure/id_block.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace vestibule::launcher::test {

namespace {
// SEV_RET codes (section 2)
constexpr u32 invalid_guest_state = 0x02;
constexpr u32 invalid_length      = 0x04;
constexpr u32 policy_failure      = 0x07;
constexpr u32 invalid_address     = 0x09;
constexpr u32 bad_signature       = 0x0A;
constexpr u32 bad_measurement     = 0x0B;
constexpr u32 asid_owned          = 0x0C;
constexpr u32 invalid_param       = 0x16;

constexpr u64 allowed_features = 0x20; // DebugSwap, by KVM_X86_SEV_VMSA_FEATURES
constexpr u64 run_size         = 3 * page_size;

template <class T>
T& at(u64 address) {
    return *reinterpret_cast<T*>(address); // NOLINT: the kernel's convention
}

/// A segment after reset (vmsa.md, "How KVM derives them").
kvm_segment reset_segment(u8 type, u8 s) {
    kvm_segment segment{};
    segment.limit   = 0xFFFF;
    segment.type    = type;
    segment.s       = s;
    segment.present = 1;
    return segment;
}

x86::Segment vmcb_segment(const kvm_segment& from) {
    const u32 present    = from.present != 0 && from.unusable == 0 ? 1 : 0;
    const u32 attributes = u32{from.type} | u32{from.s} << 4 | u32{from.dpl} << 5 | present << 7
                           | u32{from.avl} << 8 | u32{from.l} << 9 | u32{from.db} << 10
                           | u32{from.g} << 11;
    return {.selector   = from.selector,
            .attributes = static_cast<u16>(attributes),
            .limit      = from.limit,
            .base       = from.base};
}
} // namespace

Model::Model(ModelHost host) : host_(std::move(host)) {}

Model::~Model() {
    for (const auto& [memory, own] : maps_) {
        munmap(memory, own.first);
    }
}

// Descriptors and memory

int Model::open(const char* path) {
    const std::string name = path;
    if (refused_opens_.contains(name)) {
        return -refused_opens_[name];
    }
    if (name != "/dev/kvm" && name != "/dev/sev") {
        return -ENOENT;
    }
    kinds_[next_] = name == "/dev/kvm" ? Kind::kvm : Kind::sev;
    return next_++;
}

void Model::close(int descriptor) { kinds_.erase(descriptor); }

u8* Model::map(u64 size, int descriptor) {
    if (descriptor >= 0 && !vcpu_numbers_.contains(descriptor)) {
        return nullptr;
    }
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    auto* const bytes = static_cast<u8*>(memory);
    maps_[bytes]      = {size, descriptor >= 0};
    if (descriptor >= 0) {
        vcpus_.at(vcpu_numbers_.at(descriptor))->run = static_cast<kvm_run*>(memory);
    }
    return bytes;
}

void Model::unmap(u8* memory, u64 size) {
    munmap(memory, size);
    maps_.erase(memory);
}

void Model::discard(int descriptor, u64 at, u64 size) {
    if (descriptor < 0) {
        std::memset(reinterpret_cast<u8*>(at), 0, size); // NOLINT: an address
        return;
    }
    for (const auto& [id, slot] : slots_) {
        for (u64 offset = at; slot.memfd == descriptor && offset < at + size; offset += page_size) {
            encrypted_.erase((slot.gpa + offset) / page_size);
        }
    }
}

std::string Model::read(const char* path) {
    if (std::string_view(path) == "/proc/sys/kernel/osrelease") {
        return host_.release + "\n";
    }
    const auto file = host_.files.find(path);
    return file != host_.files.end() ? file->second : "";
}

int Model::ioctl(int descriptor, u64 request, u64 argument) {
    const std::unique_lock lock(mutex_);
    const auto kind = kinds_.find(descriptor);
    if (kind == kinds_.end()) {
        return -EBADF;
    }
    if (refused_requests_.contains(request)) {
        return -refused_requests_[request];
    }
    switch (kind->second) {
    case Kind::sev:
        if (request != SEV_ISSUE_CMD || at<sev_issue_cmd>(argument).cmd != SEV_PLATFORM_STATUS) {
            return -ENOTTY;
        }
        at<sev_user_data_status>(at<sev_issue_cmd>(argument).data) = host_.firmware;
        return 0;
    case Kind::vm: return vm_ioctl(request, argument);
    case Kind::vcpu: return vcpu_ioctl(*vcpus_.at(vcpu_numbers_.at(descriptor)), request, argument);
    case Kind::memfd: return -ENOTTY;
    case Kind::kvm: break;
    }
    switch (request) {
    case KVM_GET_API_VERSION: return 12;
    case KVM_CHECK_EXTENSION:
        return argument == abi::cap_vm_types ? static_cast<int>(host_.vm_types) : 0;
    case KVM_CREATE_VM:
        if (argument != 0 && (argument >= 64 || (host_.vm_types >> argument & 1) == 0)) {
            return -EINVAL;
        }
        type_         = static_cast<u32>(argument);
        kinds_[next_] = Kind::vm;
        // One VM at a time, with nothing of the one before.
        hypercalls_ = false;
        state_      = State::none;
        features_   = 0;
        policy_     = 0;
        has_tik_    = false;
        vcpus_.clear();
        vcpu_numbers_.clear();
        slots_.clear();
        regions_.clear();
        private_.clear();
        encrypted_.clear();
        encrypted_in_place_.clear();
        measured_.clear();
        ld_ = {};
        return next_++;
    case KVM_GET_VCPU_MMAP_SIZE: return run_size;
    case abi::get_supported_cpuid: {
        struct Row {
            u32 function, index, flags, eax, ebx, ecx, edx;
        };

        constexpr Row all[] = {
            {0,           0, 0, 0xD,         0x6874'7541, 0,     0 },
            {1,           0, 0, 0xA0'0F11,   0x800,       1,     0 },
            {7,           0, 1, 0,           0x209C'01A9, 0,     16},
            {0xD,         0, 1, 0x207,       0x988,       0x988, 0 },
            {0xD,         9, 1, 8,           0x980,       0,     0 },
            {0x4000'0000, 0, 0, 0x4000'0001, 0,           0,     0 },
            {0x8000'001F, 0, 0, 0xA,         0x173,       0,     0 },
        };
        auto& cpuid = at<abi::Cpuid>(argument);
        if (cpuid.count < std::size(all) + more_cpuid_entries) {
            return -E2BIG;
        }
        for (u32 n = 0; const Row& row : all) {
            kvm_cpuid_entry2& entry = cpuid.entries[n++];
            entry                   = {};
            entry.function          = row.function;
            entry.index             = row.index;
            entry.flags             = row.flags;
            entry.eax               = row.eax;
            entry.ebx               = row.ebx;
            entry.ecx               = row.ecx;
            entry.edx               = row.edx;
        }
        for (u32 n = 0; n < more_cpuid_entries; ++n) {
            kvm_cpuid_entry2& entry = cpuid.entries[std::size(all) + n];
            entry                   = {};
            entry.function          = 0x8000'001D;
            entry.index             = n;
            entry.eax               = 1;
        }
        cpuid.count = static_cast<u32>(std::size(all)) + more_cpuid_entries;
        return 0;
    }
    default: return -ENOTTY;
    }
}

int Model::vm_ioctl(u64 request, u64 argument) {
    switch (request) {
    case KVM_MEMORY_ENCRYPT_OP: return sev(at<abi::SevCommand>(argument));
    case KVM_ENABLE_CAP:
        hypercalls_ = at<kvm_enable_cap>(argument).cap == abi::cap_exit_hypercall
                      && at<kvm_enable_cap>(argument).args[0] == 1u << 12;
        return hypercalls_ ? 0 : -EINVAL;
    case KVM_SET_TSS_ADDR:
    case KVM_CREATE_IRQCHIP:
    case KVM_CREATE_PIT2: return 0;
    case KVM_IRQ_LINE: irqs_.push_back(at<kvm_irq_level>(argument)); return 0;
    case KVM_SET_USER_MEMORY_REGION: {
        const auto& region  = at<kvm_userspace_memory_region>(argument);
        slots_[region.slot] = {.gpa   = region.guest_phys_addr,
                               .size  = region.memory_size,
                               .host  = &at<u8>(region.userspace_addr),
                               .memfd = -1};
        return 0;
    }
    case abi::create_guest_memfd:
        if (type_ != 4 || at<abi::GuestMemfd>(argument).size % page_size != 0) {
            return -EINVAL;
        }
        kinds_[next_] = Kind::memfd;
        return next_++;
    case abi::set_user_memory_region2: {
        const auto& region = at<abi::MemoryRegion2>(argument);
        const auto memfd   = kinds_.find(static_cast<int>(region.guest_memfd));
        if ((region.flags & 4) == 0 || memfd == kinds_.end() || memfd->second != Kind::memfd) {
            return -EINVAL;
        }
        slots_[region.slot] = {.gpa   = region.guest_phys_addr,
                               .size  = region.memory_size,
                               .host  = &at<u8>(region.userspace_addr),
                               .memfd = memfd->first};
        return 0;
    }
    case KVM_MEMORY_ENCRYPT_REG_REGION: regions_.push_back(at<kvm_enc_region>(argument)); return 0;
    case abi::set_memory_attributes: {
        const auto& own = at<abi::MemoryAttributes>(argument);
        if (type_ != 4 || (own.attributes & ~u64{8}) != 0 || own.flags != 0 || own.size == 0
            || own.address % page_size != 0 || own.size % page_size != 0) {
            return -EINVAL;
        }
        for (u64 page = own.address / page_size; page < (own.address + own.size) / page_size;
             ++page) {
            if (own.attributes != 0) {
                private_.insert(page);
            } else {
                private_.erase(page);
            }
        }
        return 0;
    }
    case KVM_CREATE_VCPU: {
        if (argument != vcpus_.size()) {
            return argument < vcpus_.size() ? -EEXIST : -EINVAL;
        }
        auto vcpu         = std::make_unique<Vcpu>();
        vcpu->regs        = {};
        vcpu->regs.rip    = 0xFFF0;
        vcpu->regs.rdx    = 0x600;
        vcpu->regs.rflags = 2;
        kvm_sregs& sregs  = vcpu->sregs;
        sregs             = {};
        sregs.es = sregs.ds = sregs.fs = sregs.gs = sregs.ss = reset_segment(2, 1);
        sregs.cs                                             = reset_segment(0xA, 1);
        sregs.cs.selector                                    = 0xF000;
        sregs.cs.base                                        = 0xFFFF'0000;
        sregs.ldt                                            = reset_segment(2, 0);
        sregs.tr                                             = reset_segment(3, 0);
        sregs.gdt.limit = sregs.idt.limit = 0xFFFF;
        sregs.cr0                         = 0x6000'0010;
        vcpu->msrs[0x277]                 = 0x0007'0406'0007'0406;
        vcpu->xcr0                        = 1;
        vcpu->dr6                         = 0xFFFF'0FF0;
        vcpu->dr7                         = 0x400;
        vcpu->xsave[0]                    = 0x7F; // FCW 0x37F
        vcpu->xsave[1]                    = 0x03;
        vcpu->xsave[24]                   = 0x80; // MXCSR 0x1F80
        vcpu->xsave[25]                   = 0x1F;
        vcpus_.push_back(std::move(vcpu));
        kinds_[next_]        = Kind::vcpu;
        vcpu_numbers_[next_] = static_cast<u32>(argument);
        return next_++;
    }
    default: return -ENOTTY;
    }
}

int Model::vcpu_ioctl(Vcpu& vcpu, u64 request, u64 argument) {
    if (request == KVM_RUN) {
        return run(vcpu);
    }
    if (vcpu.sealed) { // section 3: refused for the new types, without effect for the old one
        return type_ == 0 ? 0 : -EINVAL;
    }
    switch (request) {
    case KVM_GET_SREGS: at<kvm_sregs>(argument) = vcpu.sregs; return 0;
    case KVM_SET_SREGS: {
        const auto& sregs = at<kvm_sregs>(argument);
        const bool lme    = (sregs.efer & 1 << 8) != 0;
        const bool lma    = (sregs.efer & 1 << 10) != 0;
        const bool paging = (sregs.cr0 & 1u << 31) != 0;
        // kvm_is_valid_sregs (section 6)
        const bool valid =
            lme && paging ? (sregs.cr4 & 1 << 5) != 0 && lma : !lma && sregs.cs.l == 0;
        if (!valid || (sregs.efer & 1 << 12) != 0 || (paging && (sregs.cr0 & 1) == 0)) {
            return -EINVAL;
        }
        vcpu.sregs = sregs;
        return 0;
    }
    case KVM_SET_REGS: vcpu.regs = at<kvm_regs>(argument); return 0;
    case abi::set_msrs: {
        const auto& msrs = at<abi::Msrs>(argument);
        for (u32 n = 0; n < msrs.count; ++n) {
            if (msrs.entries[n].index == 0x277 && msrs.entries[n].data > 0x0707'0707'0707'0707) {
                return static_cast<int>(n); // no PAT
            }
            vcpu.msrs[msrs.entries[n].index] = msrs.entries[n].data;
        }
        return static_cast<int>(msrs.count);
    }
    case abi::set_cpuid2: return 0;
    case KVM_SET_XCRS:
        vcpu.xcr0 = at<kvm_xcrs>(argument).xcrs[0].value;
        return (vcpu.xcr0 & 1) != 0 ? 0 : -EINVAL;
    case KVM_SET_DEBUGREGS:
        vcpu.dr6 = at<kvm_debugregs>(argument).dr6;
        vcpu.dr7 = at<kvm_debugregs>(argument).dr7;
        return 0;
    case KVM_SET_XSAVE: std::memcpy(vcpu.xsave, &at<u8>(argument), sizeof(vcpu.xsave)); return 0;
    default: return -ENOTTY;
    }
}

// Commands (sections 2 to 4)

int Model::sev(abi::SevCommand& command) {
    if (const auto refused = refused_commands_.find(command.id);
        refused != refused_commands_.end()) {
        command.error = refused->second.second;
        return -refused->second.first;
    }
    if (command.id == abi::Sev::init2) {
        const auto& options = at<abi::Init2>(command.data);
        const bool has_type = type_ == 3 || type_ == 4;
        if (!has_type || options.flags != 0 || options.ghcb_version > 2) {
            return -EINVAL;
        }
        return init(options.vmsa_features);
    }
    if (command.id == abi::Sev::es_init) {
        return type_ == 0 ? init(0) : -EINVAL;
    }
    if (state_ == State::none) {
        return -ENOTTY; // no SEV guest
    }
    const bool for_snp = static_cast<u32>(command.id) >= 100;
    if (for_snp != (type_ == 4)) {
        return for_snp ? -ENOTTY : -EPERM;
    }
    return for_snp ? snp(command) : sev_legacy(command);
}

int Model::init(u64 features) {
    if (state_ != State::none || !vcpus_.empty() || (features & ~allowed_features) != 0) {
        return -EINVAL;
    }
    state_    = State::initialized;
    features_ = features | host_.forced_features | (type_ == 4 ? 1 : 0);
    return 0;
}

int Model::sev_legacy(abi::SevCommand& command) {
    switch (command.id) {
    case abi::Sev::launch_start:
        return launch_start(at<kvm_sev_launch_start>(command.data), command.error);
    case abi::Sev::launch_update_data:
        return update_data(at<kvm_sev_launch_update_data>(command.data), command.error);
    case abi::Sev::launch_update_vmsa:
        if (state_ != State::started) {
            command.error = invalid_guest_state;
            return -EIO;
        }
        return update_vmsa();
    case abi::Sev::launch_measure:
        return measure(at<kvm_sev_launch_measure>(command.data), command.error);
    case abi::Sev::launch_finish:
        if (state_ != State::measured) {
            command.error = invalid_guest_state;
            return -EIO;
        }
        state_ = State::running;
        return 0;
    default: return -EINVAL;
    }
}

int Model::launch_start(const kvm_sev_launch_start& start, u32& firmware) {
    if (state_ != State::initialized) {
        firmware = asid_owned; // what ACTIVATE answers for a second guest
        return -EIO;
    }
    if ((start.policy & 4) == 0) { // an SEV-ES guest's
        firmware = policy_failure;
        return -EIO;
    }
    if (start.session_len != 0) {
        // The blob's last 32 bytes are an HMAC of the policy by the TIK (SEV API, LAUNCH_START).
        constexpr u64 mac_at = 96;
        u8 policy[4];
        std::memcpy(policy, &start.policy, sizeof(policy));
        const auto mac = igvm::hmac_sha256(host_.tik, policy);
        if (start.session_len != 128
            || std::memcmp(&at<u8>(start.session_uaddr + mac_at), mac.data(), mac.size()) != 0) {
            firmware = bad_measurement;
            return -EIO;
        }
        has_tik_ = true;
    }
    policy_ = start.policy;
    state_  = State::started;
    return 0;
}

int Model::update_data(const kvm_sev_launch_update_data& buffer, u32& firmware) {
    if (state_ != State::started || std::ranges::any_of(vcpus_, &Vcpu::sealed)) {
        firmware = invalid_guest_state;
        return -EIO;
    }
    if (buffer.uaddr % 16 != 0 || buffer.len % 16 != 0 || buffer.len == 0) {
        firmware = invalid_address;
        return -EIO;
    }
    const bool pinned = std::ranges::any_of(regions_, [&](const kvm_enc_region& region) {
        return buffer.uaddr >= region.addr
               && buffer.uaddr + buffer.len <= region.addr + region.size;
    });
    if (!pinned) {
        return -EINVAL;
    }
    const std::span data(&at<u8>(buffer.uaddr), buffer.len);
    measured_.insert(measured_.end(), data.begin(), data.end());
    for (u64 offset = 0; offset < data.size(); offset += page_size) {
        crypt(data.subspan(offset, std::min(page_size, data.size() - offset)),
              buffer.uaddr + offset);
        encrypted_in_place_.insert(buffer.uaddr + offset);
    }
    return 0;
}

int Model::update_vmsa() {
    for (const auto& vcpu : vcpus_) {
        if (vcpu->sealed || vcpu->dr7 != 0x400) {
            return -EINVAL;
        }
        const x86::Vmsa vmsa = vmsa_of(*vcpu);
        const auto* bytes    = reinterpret_cast<const u8*>(&vmsa); // NOLINT: as bytes
        measured_.insert(measured_.end(), bytes, bytes + sizeof(vmsa));
        vcpu->sealed = true;
    }
    return vcpus_.empty() ? -EINVAL : 0;
}

int Model::measure(kvm_sev_launch_measure& buffer, u32& firmware) {
    constexpr u32 size = 48;
    if (state_ != State::started) {
        firmware = invalid_guest_state;
        return -EIO;
    }
    if (buffer.len < size) {
        buffer.len = size;
        firmware   = invalid_length;
        return -EIO;
    }
    // SEV API specification, section 6.5: HMAC over context, digest and nonce.
    std::vector<u8> message = {4, host_.firmware.api_major, host_.firmware.api_minor,
                               host_.firmware.build};
    for (unsigned n = 0; n < 4; ++n) {
        message.push_back(static_cast<u8>(policy_ >> 8 * n));
    }
    const auto own = digest();
    message.insert(message.end(), own.begin(), own.end());
    std::array<u8, 16> nonce{};
    nonce.fill(0xA5);
    message.insert(message.end(), nonce.begin(), nonce.end());
    std::array<u8, 16> nobodys{};
    nobodys.fill(0x77);
    const auto mac = igvm::hmac_sha256(has_tik_ ? host_.tik : nobodys, message);
    std::memcpy(&at<u8>(buffer.uaddr), mac.data(), mac.size());
    std::memcpy(&at<u8>(buffer.uaddr + mac.size()), nonce.data(), nonce.size());
    state_ = State::measured;
    return 0;
}

int Model::snp(abi::SevCommand& command) {
    switch (command.id) {
    case abi::Sev::snp_launch_start: return snp_start(at<abi::SnpLaunchStart>(command.data));
    case abi::Sev::snp_launch_update:
        return snp_update(at<abi::SnpLaunchUpdate>(command.data), command.error);
    case abi::Sev::snp_launch_finish:
        return snp_finish(at<abi::SnpLaunchFinish>(command.data), command.error);
    default: return -EINVAL;
    }
}

int Model::snp_start(const abi::SnpLaunchStart& start) {
    constexpr u64 known = 0x03FB'FFFF; // without MIGRATE_MA
    if (state_ != State::initialized || start.flags != 0 || (start.policy & 1 << 17) == 0
        || (start.policy & ~known) != 0) {
        return -EINVAL;
    }
    policy_ = static_cast<u32>(start.policy);
    state_  = State::started;
    return 0;
}

int Model::snp_update(abi::SnpLaunchUpdate& update, u32& firmware) {
    const bool type = update.type == 1 || (update.type >= 3 && update.type <= 6);
    if (state_ != State::started || !type || update.flags != 0 || update.uaddr % page_size != 0
        || update.len % page_size != 0) {
        return -EINVAL;
    }
    u64 pages = update.len / page_size;
    if (pages > 1) { // half of it at a time, so that the caller must go on
        pages = (pages + 1) / 2;
    }
    for (; pages != 0; --pages) {
        const Slot* slot = slot_at(update.gfn_start * page_size);
        if (slot == nullptr || slot->memfd < 0 || !private_.contains(update.gfn_start)) {
            return -EINVAL;
        }
        if (encrypted_.contains(update.gfn_start)) {
            return -EEXIST;
        }
        const std::span source(&at<u8>(update.uaddr), page_size);
        // Section 3 of the guest's notes: the firmware writes back what it would accept.
        constexpr u64 leaf_7_edx = 16 + 2 * 48 + 36;
        if (update.type == 6 && corrects_cpuid && source[leaf_7_edx] != 0) {
            source[leaf_7_edx] = 0;
            firmware           = invalid_param;
            return -EIO;
        }
        std::vector<u8> page(source.begin(), source.end());
        if (update.type == 3 || update.type == 5) {
            std::ranges::fill(page, u8{0}); // and secrets are the firmware's
        }
        chain(update.type, update.gfn_start * page_size,
              update.type == 1 ? std::span<const u8>(page) : std::span<const u8>());
        crypt(page, update.gfn_start * page_size);
        encrypted_[update.gfn_start] = page;
        ++update.gfn_start;
        update.uaddr += page_size;
        update.len -= page_size;
    }
    return update.len == 0 ? 0 : -EAGAIN;
}

int Model::snp_finish(const abi::SnpLaunchFinish& finish, u32& firmware) {
    if (state_ != State::started || finish.flags != 0 || vcpus_.empty()) {
        return -EINVAL;
    }
    for (const auto& vcpu : vcpus_) {
        if (vcpu->dr7 != 0x400) {
            return -EINVAL;
        }
        const x86::Vmsa vmsa = vmsa_of(*vcpu);
        chain(2, 0xFFFF'FFFF'F000,
              {reinterpret_cast<const u8*>(&vmsa), sizeof(vmsa)}); // NOLINT: as bytes
        vcpu->sealed = true;
    }
    if (finish.id_block_en != 0) {
        const auto& block = at<igvm::IdBlock>(finish.id_block_uaddr);
        const auto& auth  = at<igvm::IdAuth>(finish.id_auth_uaddr);
        igvm::SnpPublicKey key{};
        key.curve = auth.id_key.curve;
        std::ranges::copy(auth.id_key.qx, key.qx);
        std::ranges::copy(auth.id_key.qy, key.qy);
        const auto* bytes = reinterpret_cast<const u8*>(&block); // NOLINT: as bytes
        if (!igvm::is_signed(key, auth.id_block_signature, {bytes, sizeof(block)})) {
            firmware = bad_signature;
            return -EIO;
        }
        if (block.policy != policy_ || std::memcmp(block.ld, ld_.data(), ld_.size()) != 0) {
            firmware = bad_measurement;
            return -EIO;
        }
    }
    state_ = State::running;
    return 0;
}

int Model::run(Vcpu& vcpu) {
    const bool encrypted = type_ != 0 || state_ != State::none;
    if (encrypted && (state_ != State::running || !vcpu.sealed)) {
        return -EINVAL;
    }
    if (vcpu.run->immediate_exit != 0) {
        return -EINTR;
    }
    if (script.empty() || &vcpu != vcpus_.front().get()) {
        mutex_.unlock(); // as a guest that waits
        usleep(1000);
        mutex_.lock();
        return -EINTR;
    }
    const Exit next = std::move(script.front());
    script.pop_front();
    return next(*vcpu.run);
}

x86::Vmsa Model::vmsa_of(const Vcpu& vcpu) const {
    x86::Vmsa vmsa = unaltered_vmsa_of(vcpu);
    if (host_.alters) {
        host_.alters(vmsa);
    }
    return vmsa;
}

/// Sections 6, and of the VMSA notes "How KVM derives them".
x86::Vmsa Model::unaltered_vmsa_of(const Vcpu& vcpu) const {
    const kvm_sregs& s = vcpu.sregs;
    const kvm_regs& r  = vcpu.regs;
    const auto msr     = [&vcpu](u32 index) {
        const auto own = vcpu.msrs.find(index);
        return own != vcpu.msrs.end() ? own->second : 0;
    };
    x86::Vmsa vmsa{};
    vmsa.es     = vmcb_segment(s.es);
    vmsa.cs     = vmcb_segment(s.cs);
    vmsa.ss     = vmcb_segment(s.ss);
    vmsa.ds     = vmcb_segment(s.ds);
    vmsa.fs     = vmcb_segment(s.fs);
    vmsa.gs     = vmcb_segment(s.gs);
    vmsa.tr     = vmcb_segment(s.tr);
    vmsa.ldtr   = vmcb_segment(s.ldt);
    vmsa.gdtr   = {.selector = 0, .attributes = 0, .limit = s.gdt.limit, .base = s.gdt.base};
    vmsa.idtr   = {.selector = 0, .attributes = 0, .limit = s.idt.limit, .base = s.idt.base};
    vmsa.cpl    = s.ss.dpl;
    vmsa.efer   = s.efer | 0x1000;
    vmsa.cr4    = s.cr4 | 0x40;
    vmsa.cr3    = s.cr3;
    vmsa.cr0    = s.cr0 & ~u64{0x6000'0000};
    vmsa.dr7    = vcpu.dr7;
    vmsa.dr6    = vcpu.dr6;
    vmsa.rflags = r.rflags;
    vmsa.rip    = r.rip;
    vmsa.rsp    = r.rsp;
    vmsa.rax    = r.rax;
    vmsa.rbx    = r.rbx;
    vmsa.rcx    = r.rcx;
    vmsa.rdx    = r.rdx;
    vmsa.rbp    = r.rbp;
    vmsa.rsi    = r.rsi;
    vmsa.rdi    = r.rdi;
    vmsa.r8     = r.r8;
    vmsa.r9     = r.r9;
    vmsa.r10    = r.r10;
    vmsa.r11    = r.r11;
    vmsa.r12    = r.r12;
    vmsa.r13    = r.r13;
    vmsa.r14    = r.r14;
    vmsa.r15    = r.r15;
    vmsa.g_pat  = msr(0x277);
    vmsa.star   = msr(0xC000'0081);
    vmsa.lstar  = msr(0xC000'0082);
    vmsa.cstar  = msr(0xC000'0083);
    vmsa.sfmask = msr(0xC000'0084);
    vmsa.kernel_gs_base = msr(0xC000'0102);
    vmsa.sysenter_cs    = msr(0x174);
    vmsa.sysenter_esp   = msr(0x175) & 0xFFFF'FFFF;
    vmsa.sysenter_eip   = msr(0x176) & 0xFFFF'FFFF;
    vmsa.xss            = msr(0xDA0);
    vmsa.xcr0           = vcpu.xcr0;
    vmsa.sev_features   = features_;
    const auto copy     = [&vcpu](auto& to, u64 from) {
        std::memcpy(&to, vcpu.xsave + from, sizeof(to));
    };
    u64 present = 0;
    copy(present, 512);
    if ((present & 1 << 9) != 0) {
        copy(vmsa.pkru, 0x980);
    }
    if (type_ == 0) {
        return vmsa; // the FPU is the new types' only
    }
    copy(vmsa.x87_fcw, 0);
    copy(vmsa.x87_fsw, 2);
    vmsa.x87_ftw = vcpu.xsave[4];
    copy(vmsa.x87_fop, 6);
    copy(vmsa.x87_rip, 8);
    copy(vmsa.x87_dp, 16);
    copy(vmsa.mxcsr, 24);
    for (u64 n = 0; n < 8; ++n) {
        std::memcpy(vmsa.fpreg_x87 + 8 * n, vcpu.xsave + 32 + 16 * n, 8);
        std::memcpy(vmsa.fpreg_x87 + 64 + 2 * n, vcpu.xsave + 32 + 16 * n + 8, 2);
    }
    copy(vmsa.fpreg_xmm, 160);
    if ((present & 4) != 0) {
        copy(vmsa.fpreg_ymm, 576);
    }
    return vmsa;
}

/// One link (launch-digest.md, section 2): PAGE_INFO byte by byte.
void Model::chain(u8 type, u64 gpa, std::span<const u8> contents) {
    std::vector<u8> info(0x70);
    std::memcpy(info.data(), ld_.data(), ld_.size());
    if (!contents.empty()) {
        const auto hash = igvm::sha384(contents);
        std::memcpy(info.data() + 0x30, hash.data(), hash.size());
    }
    info[0x60] = 0x70;
    info[0x62] = type;
    std::memcpy(info.data() + 0x68, &gpa, sizeof(gpa));
    ld_ = igvm::sha384(info);
}

std::vector<u8> Model::digest() const {
    if (type_ == 4) {
        return {ld_.begin(), ld_.end()};
    }
    const auto hash = igvm::sha256(measured_);
    return {hash.begin(), hash.end()};
}

const Model::Slot* Model::slot_at(u64 gpa) const {
    for (const auto& [id, slot] : slots_) {
        if (gpa >= slot.gpa && gpa - slot.gpa < slot.size) {
            return &slot;
        }
    }
    return nullptr;
}

std::vector<u8> Model::host_page(u64 gpa) const {
    const Slot* slot = slot_at(gpa);
    return slot == nullptr ? std::vector<u8>{}
                           : std::vector<u8>(slot->host + (gpa - slot->gpa),
                                             slot->host + (gpa - slot->gpa) + page_size);
}

std::vector<u8> Model::private_page(u64 gpa) const {
    const Slot* slot = slot_at(gpa);
    if (slot == nullptr) {
        return {};
    }
    if (type_ == 4) {
        const auto own = encrypted_.find(gpa / page_size);
        if (own == encrypted_.end()) {
            return {};
        }
        auto page = own->second;
        crypt(page, gpa);
        return page;
    }
    const u64 address = reinterpret_cast<u64>(slot->host) + (gpa - slot->gpa); // NOLINT
    if (!encrypted_in_place_.contains(address)) {
        return {};
    }
    auto page = host_page(gpa);
    crypt(page, address);
    return page;
}

/// The memory controller's key stands for all: what it makes depends on the address, and undoes
/// itself.
void Model::crypt(std::span<u8> page, u64 address) {
    u64 state = address * 0x9E37'79B9'7F4A'7C15 + 1;
    for (u8& byte : page) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        byte ^= static_cast<u8>(state >> 32);
    }
}

} // namespace vestibule::launcher::test
