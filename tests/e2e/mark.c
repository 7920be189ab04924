/* Sets an extended attribute in a tree that has no program for that: PATH NAME VALUE. */
#include <string.h>
#include <sys/xattr.h>

int main(int count, char **words) {
    return count != 4 || setxattr(words[1], words[2], words[3], strlen(words[3]), 0) != 0;
}
