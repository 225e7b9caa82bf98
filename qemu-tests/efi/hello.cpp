// The EFI application that the tests start from OVMF's shell: says where it is, that CPUID tells of
// SEV-ES, and powers off. No EFI library: the few types that it needs (UEFI specification 2.10,
// chapters 4, 8 and 12).
namespace {

using Status = unsigned long long;
using Char16 = char16_t;

struct TableHeader {
    unsigned long long signature;
    unsigned revision;
    unsigned size;
    unsigned crc32;
    unsigned reserved;
};

struct TextOutput {
    void* reset;
    Status (*output_string)(TextOutput* self, const Char16* text);
};

struct RuntimeServices {
    TableHeader header;
    void* before_reset_system[10];
    void (*reset_system)(unsigned type, Status status, unsigned long long size, void* data);
};

struct SystemTable {
    TableHeader header;
    const Char16* firmware_vendor;
    unsigned firmware_revision;
    void* console_in_handle;
    void* console_in;
    void* console_out_handle;
    TextOutput* console_out;
    void* standard_error_handle;
    TextOutput* standard_error;
    RuntimeServices* runtime;
};

constexpr unsigned reset_shutdown = 2;

bool has_sev_es() {
    constexpr unsigned memory_encryption = 0x8000'001F;
    constexpr unsigned sev_and_sev_es    = (1u << 1) | (1u << 3);
    unsigned eax                         = memory_encryption;
    unsigned ebx                         = 0;
    unsigned ecx                         = 0;
    unsigned edx                         = 0;
    asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (eax & sev_and_sev_es) == sev_and_sev_es;
}

} // namespace

extern "C" Status efi_main(void* image, SystemTable* system);

extern "C" Status efi_main(void*, SystemTable* system) {
    TextOutput* out = system->console_out;
    out->output_string(out, u"hello from an EFI application\r\n");
    out->output_string(out, has_sev_es() ? u"CPUID: SEV-ES\r\n" : u"CPUID: no SEV-ES\r\n");
    system->runtime->reset_system(reset_shutdown, 0, 0, nullptr);
    return 0;
}
