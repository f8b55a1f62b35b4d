/*
 * A TPM of the kernel's, /dev/tpmN and /dev/tpmrmN, in front of a swtpm (linux/vtpm_proxy.h).
 *
 *     vtpm SWTPM_SOCKET
 *
 * Prints N, then answers each line of standard input with a line:
 *
 *     counts             "CODE:COUNT ..." of the commands that came for the TPM; SET_LOCALITY, which the kernel sends
 *                        before many, is not counted
 *     reset              all counts to 0
 *     delay CODE MICROSECONDS
 *                        from now on the command takes that long at least
 *     refuse CODE RESPONSE_CODE TIMES
 *                        the next commands of that code do not reach the TPM; they are answered with that response code
 *     hold CODE          the next command of that code does not reach the TPM
 *     held               answered when such a command is there: "CODE"
 *     release            it may go on; so may all that come later
 *     pull               the device goes away, with whatever is under way
 *     give               it comes back, under the same number; whoever still holds the old one has to let go first:
 *                        "no" until then
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vtpm_proxy.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CODES = 0x200, BUFFER = 8192, HEADER = 10, SET_LOCALITY = 0x20001000 };

static long counts[CODES], delays[CODES];
static struct { uint32_t with; long times; } refusals[CODES];
static int tpm, device = -1;
static unsigned number;
static unsigned hold;           /* the code; 0: none */
static bool told_when_held;     /* somebody has asked and not been answered */
static uint8_t command[BUFFER];
static ssize_t kept;            /* the length of the command that is held; 0: none is */

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint32_t number_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static void put_number_at(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++)
        bytes[i] = value >> (24 - 8 * i);
}

static int connect_to(const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (s < 0 || connect(s, (void *)&address, sizeof address) < 0)
        fail(path);
    return s;
}

/* The new device's number, or -1 where it would be another one than before. */
static int give(bool any) {
    struct vtpm_proxy_new_dev made = { .flags = VTPM_PROXY_FLAG_TPM2 };
    int vtpmx = open("/dev/vtpmx", O_RDWR | O_CLOEXEC);
    if (vtpmx < 0 || ioctl(vtpmx, VTPM_PROXY_IOC_NEW_DEV, &made) < 0)
        fail("/dev/vtpmx");
    close(vtpmx);
    if (!any && made.tpm_num != number) {
        close(made.fd);
        return -1;
    }
    number = made.tpm_num;
    device = made.fd;
    return number;
}

static void pull(void) {
    close(device);
    device = -1;
    kept = 0;
}

static void answer(const uint8_t *response, size_t length) {
    if (write(device, response, length) < 0 && errno != EPIPE)
        fail("the kernel's side");
}

static void answer_code(uint32_t code) {
    uint8_t response[HEADER] = { 0x80, 0x01, 0, 0, 0, HEADER };
    put_number_at(response + 6, code);
    answer(response, HEADER);
}

static void pass_on(ssize_t length) {
    uint8_t response[BUFFER];
    size_t got = 0;
    unsigned code = number_at(command + 6);
    if (code < CODES && delays[code])
        usleep(delays[code]);
    if (write(tpm, command, length) != length)
        fail("swtpm");
    do {
        ssize_t count = read(tpm, response + got, sizeof response - got);
        if (count <= 0)
            fail("swtpm");
        got += count;
    } while (got < HEADER || got < number_at(response + 2));
    answer(response, got);
}

static void serve(void) {
    ssize_t length = read(device, command, sizeof command);
    unsigned code = length >= HEADER ? number_at(command + 6) : 0;
    if (length < HEADER)
        fail("a command of the kernel's");
    if (code == SET_LOCALITY)
        return answer_code(0);
    if (code < CODES)
        counts[code]++;
    if (code < CODES && refusals[code].times > 0) {
        refusals[code].times--;
        return answer_code(refusals[code].with);
    }
    if (!hold || code != hold)
        return pass_on(length);
    kept = length;
    if (told_when_held)
        printf("0x%x\n", code);
    told_when_held = false;
}

static void obey(void) {
    char line[128];
    unsigned code;
    unsigned response;
    long microseconds, times;
    if (!fgets(line, sizeof line, stdin))
        exit(0);
    if (sscanf(line, "delay %i %li", &code, &microseconds) == 2 && code < CODES)
        delays[code] = microseconds;
    else if (sscanf(line, "refuse %i %i %li", &code, &response, &times) == 3 && code < CODES) {
        refusals[code].with = response;
        refusals[code].times = times;
    } else if (sscanf(line, "hold %i", &code) == 1)
        hold = code;
    else if (strcmp(line, "held\n") == 0) {
        told_when_held = !kept;
        if (kept)
            printf("0x%x\n", hold);
        return;
    } else if (strcmp(line, "release\n") == 0) {
        hold = 0;
        if (kept)
            pass_on(kept);
        kept = 0;
    } else if (strcmp(line, "pull\n") == 0)
        pull();
    else if (strcmp(line, "give\n") == 0) {
        if (give(false) < 0)
            printf("no");
    } else if (strcmp(line, "reset\n") == 0)
        memset(counts, 0, sizeof counts);
    else if (strcmp(line, "counts\n") == 0) {
        for (code = 0; code < CODES; code++)
            if (counts[code])
                printf("0x%x:%ld ", code, counts[code]);
    } else
        printf("error: %s", line);
    puts("");
}

int main(int count, char **arguments) {
    if (count != 2)
        return 2;
    prctl(PR_SET_TIMERSLACK, 1);
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    tpm = connect_to(arguments[1]);
    printf("%d\n", give(true));
    for (;;) {
        struct pollfd watched[] = {
            { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = kept ? -1 : device, .events = POLLIN } };
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (watched[0].revents)
            obey();
        else if (watched[1].revents & POLLIN)
            serve();
    }
}
