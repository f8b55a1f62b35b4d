/* client PATH ROUNDS [epoll]: uses a TPM as programs on go-tpm do, and prints what they find.
 *
 * What go-tpm looks at: the path is a character device; a command is one write; poll(2) says IN and nothing else before
 * the response; a response is one read. With "epoll" it waits as Go's own runtime does for files that it can poll: the
 * descriptor does not block, and edges of epoll(7) say when to try again.
 *
 * Each round makes keys, loads one, signs, uses a policy session, and flushes all that it has made. Exit code: 0 when
 * all rounds passed, 2 when the path cannot be opened, 3 when it is no character device, 1 for all else; the reason is
 * on standard error. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 4096, RETRY = 0x922, PASSWORD = 0x40000009, OWNER = 0x40000001, NOBODY = 0x40000007 };

static int tpm, edges = -1;
static uint8_t command[ROOM], response[ROOM];
static size_t length, answered;

static void put(uint32_t value, size_t size)
{
    while (size > 0)
        command[length++] = value >> 8 * --size;
}

static void put_bytes(const void *bytes, size_t size)
{
    memcpy(command + length, bytes, size);
    length += size;
}

static uint32_t get(size_t at, size_t size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | response[at + i];
    return value;
}

static void begin(uint16_t tag, uint32_t code)
{
    length = 0;
    put(tag, 2), put(0, 4), put(code, 4);
}

/* The handle of what has no authorization value, and the authorization with that. */
static void begin_authorized(uint32_t code, uint32_t handle)
{
    begin(0x8002, code);
    put(handle, 4), put(9, 4), put(PASSWORD, 4), put(0, 2), put(0, 1), put(0, 2);
}

static void wait_for_response(void)
{
    struct pollfd ready = { .fd = tpm, .events = POLLIN };
    if (edges < 0 && (poll(&ready, 1, -1) != 1 || ready.revents != POLLIN))
        errx(1, "poll says 0x%x", ready.revents);
}

static size_t read_once(void)
{
    ssize_t count;
    while ((count = read(tpm, response, sizeof response)) < 0 && errno == EAGAIN && edges >= 0) {
        struct epoll_event event;
        if (epoll_wait(edges, &event, 1, 60000) != 1)
            errx(1, "no edge came");
    }
    if (count < 0)
        err(1, "read");
    return count;
}

static void run(const char *what)
{
    uint32_t size = length, code;
    length = 2, put(size, 4), length = size;
    do {
        if (write(tpm, command, size) != (ssize_t)size)
            err(1, "%s: write", what);
        wait_for_response();
        answered = read_once();
        if (answered < 10 || get(2, 4) != answered)
            errx(1, "%s: one read gave %zu bytes", what, answered);
        code = get(6, 4);
    } while (code == RETRY);
    if (code != 0)
        errx(1, "%s: response code 0x%x", what, code);
}

/* The sensitive part, the public one, no outside info and no PCRs, as the end of a command. */
static void put_template(uint32_t attributes, const uint16_t *details, size_t count)
{
    put(4, 2), put(0, 4);
    put(10 + 2 * count, 2), put(0x23, 2), put(0xB, 2), put(attributes, 4), put(0, 2);
    for (size_t i = 0; i < count; i++)
        put(details[i], 2);
    put(0, 2), put(0, 4);
}

static void flush(uint32_t handle)
{
    begin(0x8001, 0x165), put(handle, 4);
    run("FlushContext");
}

static void use_policy(void)
{
    begin(0x8001, 0x176), put(NOBODY, 4), put(NOBODY, 4), put(16, 2), put_bytes("0123456789abcdef", 16);
    put(0, 2), put(1, 1), put(0x10, 2), put(0xB, 2);
    run("StartAuthSession");
    uint32_t session = get(10, 4);
    begin(0x8001, 0x16C), put(session, 4), put(0x15D, 4);
    run("PolicyCommandCode");
    begin(0x8001, 0x189), put(session, 4);
    run("PolicyGetDigest");
    if (get(10, 2) != 32)
        errx(1, "PolicyGetDigest: a digest of %u bytes", get(10, 2));
    flush(session);
}

static void use_keys(void)
{
    static const uint16_t storage[] = { 6, 128, 0x43, 0x10, 3, 0x10, 0, 0 };
    static const uint16_t signing[] = { 0x10, 0x18, 0xB, 3, 0x10, 0, 0 };
    static const uint8_t digest[32] = { 1 };
    begin_authorized(0x131, OWNER), put_template(0x30072, storage, 8);
    run("CreatePrimary");
    uint32_t primary = get(10, 4);
    begin_authorized(0x153, primary), put_template(0x40072, signing, 7);
    run("Create");
    size_t private = 2 + get(14, 2), public = 2 + get(14 + private, 2);
    begin_authorized(0x157, primary), put_bytes(response + 14, private + public);
    run("Load");
    uint32_t key = get(10, 4);
    begin_authorized(0x15D, key), put(32, 2), put_bytes(digest, 32);
    put(0x10, 2), put(0x8024, 2), put(NOBODY, 4), put(0, 2);
    run("Sign");
    flush(key), flush(primary);
}

int main(int count, char **words)
{
    struct stat status;
    if (stat(words[1], &status) < 0)
        err(2, "%s", words[1]);
    if (!S_ISCHR(status.st_mode))
        errx(3, "%s is not a character device", words[1]);
    if ((tpm = open(words[1], O_RDWR | O_CLOEXEC)) < 0)
        err(2, "%s", words[1]);
    if (count > 3) {
        struct epoll_event all = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
        edges = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ctl(edges, EPOLL_CTL_ADD, tpm, &all) < 0 || fcntl(tpm, F_SETFL, O_NONBLOCK) < 0)
            err(1, "epoll");
    }
    for (int round = atoi(words[2]); round > 0; round--) {
        begin(0x8001, 0x17B), put(8, 2);
        run("GetRandom");
        use_keys();
        use_policy();
    }
    puts("passed");
    return 0;
}
